# Everything works alone on a fresh clone; `make help` lists it.
SHELL := /bin/bash
VENV_PYTHON := .venv/bin/python
STAMP := .venv/.locked
# Most tests wait for processes: two workers halve the time. A class or file stays together, for it shares what it starts.
# What is killed at its n-th system call makes others as the child of a worker: that file runs alone.
ALONE := tests/chaos/test_kill_points.py
SIDE_BY_SIDE := -n 2 --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo test nightly check bench real-parts lock

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## make .venv with the locked dependencies (nothing outside this folder changes)

$(STAMP): pyproject.toml requirements/dev.txt requirements/uv.txt tools/setup.sh
	@tools/setup.sh
	@touch $@

demo: setup ## run the example campaign for real and leave demo/summary.md and demo/summary.html
	@tools/demo.sh

test: setup ## every test that this machine can run; ARGS="-k word" for some of them
	@[ -n "$(ARGS)" ] || $(VENV_PYTHON) -m pytest -q tests/planner tests/domain --cov=overnight.planner --cov=overnight.domain \
		--cov-branch --cov-report=term:skip-covered --cov-fail-under=100
	@[ -n "$(ARGS)" ] || $(VENV_PYTHON) -m pytest -q $(ALONE)
	$(VENV_PYTHON) -m pytest $(or $(ARGS),--ignore=tests/planner --ignore=tests/domain --ignore=$(ALONE) $(SIDE_BY_SIDE)) || \
		{ [ -z "$(ARGS)" ] && echo "what failed beside other tests is run again alone" && \
		$(VENV_PYTHON) -m pytest --last-failed --last-failed-no-failures none; }

nightly: setup ## what takes a night: 50,000 changes with lost replies, many more schedules of the simulator
	OVERNIGHT_TEST_LOST_REPLIES=50000 $(VENV_PYTHON) -m pytest tests/chaos/test_lost_replies.py
	OVERNIGHT_TEST_DEFECTS=all $(VENV_PYTHON) -m pytest --timeout 3600 tests/sim/test_planted_defects.py
	OVERNIGHT_TEST_SCHEDULES=100000 $(VENV_PYTHON) -m pytest --timeout 36000 tests/sim/test_schedules.py

check: setup ## lint, format, types, import contracts, generated docs
	@tools/check.sh

bench: setup ## figures as ratios to bounds and peers that are measured in the same run
	@tools/uv.sh pip install --quiet --python $(VENV_PYTHON) --require-hashes -r requirements/bench.txt
	$(VENV_PYTHON) -m bench $(ARGS)

real-parts: ## install the Debian packages that the tests use (root; says what it does)
	@python3 tools/real_parts.py install

lock: setup ## compile requirements/*.txt from pyproject.toml anew; ARGS=--upgrade for the newest versions
	@tools/lock.sh $(ARGS)
