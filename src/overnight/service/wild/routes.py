"""Where the Wild V2 protocol is asked: the light half of its table. Source: the protocol's section 2."""

from __future__ import annotations

from functools import partial

from overnight.domain.access import Verb
from overnight.service.routes import Route

_look = partial(Route, dialect="wild")
_send = partial(Route, dialect="wild", changes=True, verb=Verb.REPORT)
_make = partial(Route, dialect="wild", changes=True, verb=Verb.SUBMIT)
_steer = partial(Route, dialect="wild", changes=True, verb=Verb.STEER)
_operate = partial(Route, dialect="wild", changes=True, verb=Verb.OPERATE, whole=True)

WILD_ROUTES: tuple[Route, ...] = (
    _make("create_run", "POST", "/runs", "Create a run: one configuration that should be tried."),
    _look("get_runs", "GET", "/runs", "Runs, newest first."),
    _look("get_run", "GET", "/runs/{id}", "One run, whole."),
    _steer("edit_run", "PUT", "/runs/{id}", "Change a run that has not ended."),
    _steer("queue_run", "POST", "/runs/{id}/queue", "Queue a ready run."),
    _steer("start_run", "POST", "/runs/{id}/start", "Start a run as soon as capacity allows."),
    _steer("stop_run", "POST", "/runs/{id}/stop", "Stop a run; answered when its processes are gone.", destroys=True),
    _make("rerun_run", "POST", "/runs/{id}/rerun", "Make a new run of the same configuration."),
    _steer("archive_run", "POST", "/runs/{id}/archive", "Leave a run out of listings."),
    _steer("unarchive_run", "POST", "/runs/{id}/unarchive", "Show a run in listings again."),
    _steer("add_run_to_sweep", "POST", "/runs/{id}/add-to-sweep", "Move a run into a sweep.", query=("sweep_id",)),
    _send("report_status", "POST", "/runs/{id}/status", "Say how a run stands that somebody else carries out."),
    _look("run_logs", "GET", "/runs/{id}/logs", "Part of a run's log."),
    _look("run_sidecar_logs", "GET", "/runs/{id}/sidecar-logs", "What was done with a run, as a log."),
    _look("run_artifacts", "GET", "/runs/{id}/artifacts", "Files that a run left."),
    _send("append_metrics", "POST", "/runs/{id}/metrics", "Append rows of metrics."),
    _look("run_metrics", "GET", "/runs/{id}/metrics", "A run's metrics as series."),
    _send("create_alert", "POST", "/runs/{id}/alerts", "Ask a person something about a run."),
    _look("get_alerts", "GET", "/alerts", "What was asked, newest first."),
    _steer("respond_to_alert", "POST", "/alerts/{id}/respond", "Answer what was asked."),
    _make("create_wild_sweep", "POST", "/sweeps/wild", "Create an open sweep, to which runs are added."),
    _make("create_sweep", "POST", "/sweeps", "Create a sweep over a grid of parameters."),
    _make("create_sweep_run", "POST", "/sweeps/{id}/runs", "Create a run in a sweep."),
    _look("get_sweeps", "GET", "/sweeps", "Sweeps, newest first."),
    _look("get_sweep", "GET", "/sweeps/{id}", "One sweep, with its progress."),
    _steer("edit_sweep", "PUT", "/sweeps/{id}", "Change a sweep."),
    _steer("start_sweep", "POST", "/sweeps/{id}/start", "Hand runs of a sweep to the scheduler.", query=("parallel",)),
    _steer("cancel_sweep", "POST", "/sweeps/{id}/cancel", "Stop everything of a sweep.", destroys=True),
    _look("get_cluster", "GET", "/cluster", "What the machines are taken for, and how much may run."),
    _steer("detect_cluster", "POST", "/cluster/detect", "Look what the machines are."),
    _operate("set_cluster", "POST", "/cluster", "Say what the machines are."),
    _look("system_health", "GET", "/wild/v2/system-health", "Runs by state, and how many more to start.", public=True),
    _steer("start_session", "POST", "/wild/v2/start", "Begin the record of an agent's loop."),
    _steer("stop_session", "POST", "/wild/v2/stop", "End the record of a loop."),
    _steer("pause_session", "POST", "/wild/v2/pause", "Hold back the queued runs of a conversation."),
    _steer("resume_session", "POST", "/wild/v2/resume", "Let them start again."),
    _steer("steer_session", "POST", "/wild/v2/steer", "Leave a word for the agent."),
    _look("session_status", "GET", "/wild/v2/status", "How the loop of a conversation stands."),
    _look("session_plan", "GET", "/wild/v2/plan/{id}", "The plan of a loop."),
    _steer("put_session_plan", "PUT", "/wild/v2/plan/{id}", "Write the plan of a loop."),
    _look("session_log", "GET", "/wild/v2/iteration-log/{id}", "The log of a loop."),
    _steer("append_session_log", "POST", "/wild/v2/iteration-log/{id}", "Append an iteration to the log of a loop."),
    _look("session_events", "GET", "/wild/v2/events/{id}", "What a loop has to look at."),
    _steer("resolve_session_events", "POST", "/wild/v2/events/{id}/resolve", "Say what was looked at."),
    _look("evo_sweep", "GET", "/wild/v2/evo-sweep/{id}", "Whether an evolutionary sweep is under way: never."),
    _look("list_skills", "GET", "/prompt-skills", "Texts that teach agents.", public=True),
    _look("search_skills", "GET", "/prompt-skills/search", "Texts that fit some words.", public=True),
    _look("get_skill", "GET", "/prompt-skills/{id}", "One text.", public=True),
    _operate("create_skill", "POST", "/prompt-skills", "Keep a new text."),
    _operate("edit_skill", "PUT", "/prompt-skills/{id}", "Change a text that was made here."),
    _operate("delete_skill", "DELETE", "/prompt-skills/{id}", "Take a text away that was made here.", destroys=True),
    _look("render_skill", "POST", "/prompt-skills/{id}/render", "A text with its variables filled in."),
    _look("list_skill_files", "GET", "/prompt-skills/{id}/files", "The files of a text."),
    _look("get_skill_file", "GET", "/prompt-skills/{id}/files/{path}", "One file of a text."),
)
"""Streams (`/runs/{id}/logs/stream`, `/runs/{id}/sidecar-logs/stream`) are not operations: `surfaces/http` has them."""
