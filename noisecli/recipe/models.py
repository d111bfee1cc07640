"""What a recipe can say: roles, steps, and how steps choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from noisecli.corruption import Corruption, Parameters, Target
from noisecli.recipe.source import Source

Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Severity = Annotated[int, Field(ge=0, le=5)]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class ByType(Parameters):
    """Select columns by type."""

    dtype: Literal["integer", "float", "bool", "date", "datetime", "text"]
    """Kind of column."""


Selector = str | ByType
KEYWORDS = ("numeric", "text", "category", "datetime", "all")


class Roles(Parameters):
    """What certain columns are for. Role columns are struck only by a step that names them."""

    label: str | None = None
    """The column to be predicted."""
    split: str | None = None
    """The column that says train, val or test; under `purpose: train` only training rows are struck."""


class Step(Parameters):
    """What every step has besides the parameters of its op."""

    op: str
    """Which corruption."""
    id: Annotated[str, Field(min_length=1)] | None = None
    """Names the step's random numbers; by default the op's name. A second step of the same op must give one."""
    rate: Rate | None = None
    """Share of eligible cells, words, rows or images struck, 0..1; the default is the op's."""
    severity: Severity | None = None
    """Preset 1..5 for the op's parameters, 0 for clean; never together with what it sets."""
    exact: bool | None = None
    """True: strike exactly round(rate * N) instead of each with probability `rate`; default for label ops."""


class TableStep(Step):
    """One op on some columns of a table."""

    columns: Annotated[list[Selector], Field(min_length=1), BeforeValidator(_as_list)] | None = None
    """Names, globs, {dtype: ...}, or numeric | text | category | datetime | all."""
    mechanism: Literal["mcar"] = "mcar"
    """How cells are chosen; mcar: every eligible cell alike."""


class ImageStep(Step):
    """One op on images; the rate is the share of images."""

    scale: Literal["resolution", "none"] = "resolution"
    """resolution: a severity means the same on small and large images, interpolated between the tables published for
    32, 64 and 224 px; none: the table for 224 px as it stands."""


STEPS: dict[Target, type[Step]] = {"table": TableStep, "images": ImageStep}


class Head(Parameters):
    """All of a recipe but its steps."""

    noisecli: Literal[1]
    """Format of the recipe."""
    seed: Annotated[int, Field(ge=0, lt=2**64)] | None = None
    """Seed of every random number; left out: fresh entropy, printed and recorded."""
    purpose: Literal["train", "evaluate"] = "train"
    """train: validation and test data are carried untouched; evaluate: everything is struck."""
    copies: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many noisy copies."""
    target: Target | None = None
    """What the recipe is for; follows from the input when left out."""
    facts: str | None = None
    """A manifest, or its output, whose facts and quotas are used instead of those of the data."""
    data: Roles = Roles()
    """Roles of columns."""


@dataclass(frozen=True)
class PlannedStep:
    """A step with everything settled that does not depend on the data."""

    id: str
    settings: Step
    corruption: Corruption
    """The op with its parameters; those of a severity are set, for images at 224 px."""
    parameters: Mapping[str, Any]
    """The parameters that the recipe itself gives."""
    rate: float
    exact: bool

    @property
    def columns(self) -> list[Selector] | None:
        """What the step selects; None where it names nothing, or strikes images."""
        return self.settings.columns if isinstance(self.settings, TableStep) else None


@dataclass(frozen=True)
class Recipe:
    """A whole recipe, checked."""

    source: Source
    """Where each part of it stands, for faults that only show with the data."""
    head: Head
    target: Target
    steps: tuple[PlannedStep, ...]
    document: dict[str, Any]
    """The recipe as the manifest records it: what was asked, with seed, ids and overrides filled in."""

    @property
    def seed(self) -> int:
        """The seed; settled when a run starts."""
        assert self.head.seed is not None
        return self.head.seed
