"""What a step can say of how its cells are chosen."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from noisecli.parameters import Parameters
from noisecli.recipe.mechanisms import Burst, Clustered, Mar, Mcar, Mechanism, Mnar, Names
from noisecli.recipe.window import Window


class Pattern(Parameters):
    """Columns that are struck together in some of the struck rows."""

    columns: Names
    """Names of the columns."""
    weight: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    """How likely a struck row gets this pattern, in proportion to the weights of all."""


_EXAMPLES = {
    "mar": "{columns: age}",
    "mnar": "{tail: upper}",
    "burst": "{length: 20}",
    "window": "{from: 100, to: 200}",
}


def _as_mapping(value: Any) -> Any:
    """A name alone is the mechanism with nothing said about it."""
    if isinstance(value, str):
        return {value: {}}
    if not isinstance(value, Mapping):
        raise ValueError("takes a name, or one key, such as {mar: {columns: age}}")
    for key, said in value.items():
        if key in _EXAMPLES and not isinstance(said, Mapping | None):
            raise ValueError(f"{key!r} takes a mapping, such as {{{key}: {_EXAMPLES[key]}}}")
    return {key: {} if said is None else said for key, said in value.items()}


def _by_column(value: Any) -> Any:
    return value if isinstance(value, Mapping) else {"by": value}


class Choice(Parameters):
    """How cells are chosen: one of these keys."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    mcar: Mcar | None = None
    """Every eligible cell alike."""
    mar: Mar | None = None
    """By the values of other columns."""
    mnar: Mnar | None = None
    """By the cell's own value."""
    burst: Burst | None = None
    """In runs of rows."""
    clustered: (
        Annotated[Clustered, BeforeValidator(_by_column, json_schema_input_type=str | list[str] | Clustered)] | None
    ) = None
    """The column, or columns, whose groups are struck as a whole."""
    window: Window | None = None
    """From a moment on, up to another, with chances that may change."""

    @model_validator(mode="after")
    def _is_one(self) -> "Choice":
        if len(self.model_fields_set) != 1:
            raise ValueError("takes one of mcar, mar, mnar, burst, clustered and window")
        return self

    @property
    def mechanism(self) -> Mechanism | None:
        """The one that is asked for; None: mcar."""
        return self.mar or self.mnar or self.burst or self.clustered or self.window


AskedMechanism = Annotated[
    Choice, BeforeValidator(_as_mapping, json_schema_input_type=Literal["mcar", "mnar"] | Choice)
]
