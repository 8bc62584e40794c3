"""Which numbers prove that the lease of an attempt ended it."""

import pytest

from overnight.domain.lease import bears_out

SAID = {"last_beat": 100.0, "lease": 900.0, "grace": 30.0, "now": 1030.0}


def test_the_whole_lease_and_the_grace_must_have_passed() -> None:
    assert bears_out(SAID, 900.0)
    assert not bears_out({**SAID, "now": 1029.9}, 900.0)
    assert not bears_out({**SAID, "last_beat": 100.1}, 900.0)


@pytest.mark.parametrize(("changed", "lease"), [({}, None), ({}, 901.0), ({"grace": -1.0}, 900.0)])
def test_a_lease_that_it_never_had_and_a_shorter_one_prove_nothing(changed: dict[str, float], lease: float) -> None:
    assert not bears_out({**SAID, **changed}, lease)


def test_what_are_no_such_numbers_is_an_error() -> None:
    with pytest.raises(KeyError):
        bears_out({"lease": 900.0, "grace": 30.0}, 900.0)
