"""What a recipe can ask of the rows that a step may strike."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from noisecli.parameters import Parameters
from noisecli.where import Test


def _as_condition(value: Any) -> Any:
    """A plain value means eq, a list of them means in; the alternatives of `any` stay a list of mappings."""
    if isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
        return value
    return {"in": value} if isinstance(value, list) else {"eq": value}


def _written(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


Value = Annotated[str, BeforeValidator(_written)]


class Condition(Parameters):
    """What the clean cell of a column must be; all that is given must hold. A missing cell passes only `null: true`."""

    eq: Value | None = None
    """Equal to."""
    ne: Value | None = None
    """Not equal to."""
    gt: Value | None = None
    """Greater than, or later than."""
    ge: Value | None = None
    """Greater than or equal to."""
    lt: Value | None = None
    """Less than, or earlier than."""
    le: Value | None = None
    """Less than or equal to."""
    in_: Annotated[list[Value], Field(min_length=1)] | None = Field(default=None, alias="in")
    """One of these."""
    between: Annotated[list[Value], Field(min_length=2, max_length=2)] | None = None
    """From the first to the second, both included."""
    null: bool | None = None
    """true: missing; false: not missing."""
    matches: str | None = None
    """Text in which this regular expression (RE2) finds something."""

    def tests(self, column: str) -> list[Test]:
        """Return the comparisons that are asked for."""
        tests = []
        for relation, value in self.model_dump(by_alias=True, exclude_none=True).items():
            values = value if isinstance(value, (list, tuple)) else [_written(value)]
            tests.append(Test(column, relation, tuple(values)))
        return tests

    @model_validator(mode="after")
    def _asks_something(self) -> "Condition":
        if not self.tests(""):
            raise ValueError("should be a value, a list of them, or a mapping such as {gt: 30}")
        return self


def _kind(value: Any) -> str:
    return "any" if isinstance(value, list) else "condition"


Conditions = dict[str, Annotated[Condition, BeforeValidator(_as_condition)]]
Asked = Annotated[Condition, Tag("condition")]
Alternatives = Annotated[list[Conditions], Tag("any")]
Asking = Annotated[Asked | Alternatives, Discriminator(_kind), BeforeValidator(_as_condition)]
