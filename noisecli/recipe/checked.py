"""A recipe once it is checked: everything settled that does not depend on the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from noisecli.corruption import Corruption, JointCorruption, Target
from noisecli.mechanism import Patterns
from noisecli.recipe.mechanisms import Mechanism
from noisecli.recipe.models import Head, Selector, Step, TableStep
from noisecli.recipe.source import Source
from noisecli.where import Where


@dataclass(frozen=True)
class PlannedStep:
    """A step with everything settled that does not depend on the data."""

    id: str
    number: int
    """Its place among the steps of the recipe, from 0."""
    settings: Step
    corruption: Corruption
    """The op with its parameters; those of a severity are set, for images at 224 px."""
    parameters: Mapping[str, Any]
    """The parameters that the recipe itself gives."""
    rate: float
    exact: bool
    time: str | None = None
    """The column that says when."""

    @property
    def columns(self) -> list[Selector] | None:
        """What the step selects; None where it names nothing, or strikes images."""
        if not isinstance(self.settings, TableStep):
            return None
        if self.settings.patterns is None:
            return self.settings.columns
        return list(dict.fromkeys(name for pattern in self.settings.patterns for name in pattern.columns))

    @cached_property
    def mechanism(self) -> Mechanism | None:
        """How cells are chosen; None: mcar."""
        asked = self.settings.mechanism.mechanism if isinstance(self.settings, TableStep) else None
        return asked and asked.with_time(self.time)

    @property
    def patterns(self) -> Patterns | None:
        """Which columns of a struck row are struck; None: all."""
        asked = self.settings.patterns if isinstance(self.settings, TableStep) else None
        if asked is None:
            return None
        return Patterns(tuple(tuple(each.columns) for each in asked), tuple(each.weight for each in asked))

    @property
    def joint(self) -> bool:
        """Whether one mask is drawn for all columns."""
        return isinstance(self.settings, TableStep) and self.settings.by_rows

    @property
    def optional(self) -> bool:
        """Whether the step is left out where it finds no column."""
        return isinstance(self.settings, TableStep) and self.settings.optional

    @property
    def nulls(self) -> bool:
        """Whether missing cells may be struck."""
        return isinstance(self.settings, TableStep) and self.settings.nulls == "strike"

    @property
    def asks(self) -> list[str]:
        """Columns, besides those that it strikes, whose clean cells the step looks at."""
        asked = [*(self.where.columns if self.where else ()), *(self.mechanism.reads("") if self.mechanism else ())]
        return list(dict.fromkeys([*asked, *self.reads]))

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns whose clean cells the op looks at besides those that it strikes."""
        return self.corruption.reads() if isinstance(self.corruption, JointCorruption) else ()

    @cached_property
    def where(self) -> Where | None:
        """Which rows may be struck; None: all, or the step strikes images."""
        return self.settings.condition() if isinstance(self.settings, TableStep) else None


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
    sweep: tuple["Variant", ...] = ()
    """What a sweep makes of it; empty without one."""

    @property
    def variants(self) -> tuple["Variant", ...]:
        """Return the variants of a sweep, else the recipe as its only one."""
        return self.sweep or (Variant("", self),)

    @property
    def steps_of_all(self) -> tuple[PlannedStep, ...]:
        """The steps of all variants."""
        return tuple(step for variant in self.variants for step in variant.recipe.steps)

    @property
    def seed(self) -> int:
        """The seed; settled when a run starts."""
        assert self.head.seed is not None
        return self.head.seed


@dataclass(frozen=True)
class Variant:
    """One combination of a sweep."""

    folder: str
    """Where its copies go below OUTPUT, `typo.rate=0.1`; "" without a sweep."""
    recipe: Recipe
