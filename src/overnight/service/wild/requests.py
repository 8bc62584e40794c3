"""What all requests of the Wild V2 protocol have in common: lenient where the protocol is."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator

from overnight.service.requests import LARGEST, Request

LONGEST_COMMAND = 1024 * 1024
"""Characters of a command."""
Text = Annotated[str, Field(max_length=LONGEST_COMMAND)]
ShortText = Annotated[str, Field(max_length=4096)]


class WildRequest(Request):
    """Unknown fields are left out; the surface names them in `warnings` of an object answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_max_length=4 * 1024 * 1024, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """No text, however deep, has what neither a database nor a process argument can hold."""
        rest = [value]
        while rest:
            it = rest.pop()
            if isinstance(it, str):
                _refuse_odd(it)
            elif isinstance(it, dict):
                rest += (*it.keys(), *it.values())
            elif isinstance(it, list | tuple):
                rest += it
        return value


def _refuse_odd(text: str) -> None:
    if "\0" in text:
        raise ValueError("has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("has half of a surrogate pair") from error


class Empty(WildRequest):
    """An operation without parameters."""


class OneRun(WildRequest):
    """One run, sweep, alert, session or skill, by its whole id."""

    id: str = Field(min_length=1, max_length=200)


Count = Annotated[int, Field(ge=0, le=LARGEST)]
