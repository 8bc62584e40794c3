"""What texts that teach agents are asked for, and the shapes of the answers. Source: the protocol's section 2.6."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, field_validator
from typing_extensions import TypedDict

from overnight.service.wild.requests import OneRun, WildRequest

LONGEST_TEXT = 65_536
"""Characters of a text that is made here: anybody may list them."""

Name = Annotated[str, Field(min_length=1, max_length=200)]
Body = Annotated[str, Field(max_length=LONGEST_TEXT)]
Line = Annotated[str, Field(max_length=2_000)]


class Search(WildRequest):
    """Words to look for, as they stand; capitals do not matter. Without words everything fits."""

    q: str = Field(default="", max_length=1_000)
    limit: int = Field(default=20, ge=0, le=1_000)


class CreateSkill(WildRequest):
    """A new text. Its id is made from its name; its variables are what stands in double braces."""

    name: Name
    description: Line = ""
    template: Body = ""
    category: Line = "skill"


class EditSkill(OneRun):
    """What changes of a text."""

    template: Body | None = None
    description: Line | None = None
    category: Line | None = None


class Render(OneRun):
    """Values of the variables, each under its name; or all of them in one object `variables`."""

    model_config = ConfigDict(extra="allow")


class FileOf(OneRun):
    """A file of a text."""

    path: str = Field(max_length=1_000)

    @field_validator("id")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """Of the path anything is taken here, to be answered by the operation: it is only compared."""
        if not value.isprintable():
            raise ValueError("has characters that no id has")
        return value


class SkillView(TypedDict):
    """One text."""

    id: str
    name: str
    description: str
    template: str
    variables: list[str]
    category: str
    built_in: bool
    internal: bool


class FoundSkill(SkillView):
    """One text, and how well it fits what was looked for."""

    _score: NotRequired[int]


class Rendered(TypedDict):
    """A text with its variables filled in."""

    rendered: str


class Message(TypedDict):
    """What was done."""

    message: str


class FileView(TypedDict):
    """A file or folder of a text; `size` in bytes."""

    name: str
    path: str
    type: Literal["file", "directory"]
    size: int


class FileText(TypedDict):
    """A file of a text."""

    path: str
    content: str
