"""What advice looks at, and what it says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from noisecli.advice.trial import Trial
from noisecli.columns import Column
from noisecli.plan import Plan, StepPlan
from noisecli.recipe import PlannedStep, Recipe
from noisecli.run import Prepared
from noisecli.run.selection import WILD

SHOWN = 3
"""So many columns are listed in a line."""


@dataclass(frozen=True)
class Advice:
    """Something that the recipe asks for and its author may not want."""

    about: str
    """One word for the kind of advice, for programs."""
    text: str
    """What it is, why it matters, and what to do."""
    step: str | None = None
    columns: tuple[str, ...] = ()
    sweep: str | None = None
    """Folder of the first variant of a sweep that it is about."""

    def __str__(self) -> str:
        shown = ", ".join(map(repr, self.columns[:SHOWN])) + (" and more" if len(self.columns) > SHOWN else "")
        step = [] if self.step is None else [f"step {self.step!r}"]
        columns = [f"{'column' if len(self.columns) == 1 else 'columns'} {shown}"] if self.columns else []
        where = [f"{self.sweep}: "] if self.sweep else []
        return "".join([*where, ", ".join([*step, *columns]), ": " if step or columns else "", self.text])


@dataclass(frozen=True)
class Case:
    """A recipe, or one variant of a sweep, settled on a dataset."""

    prepared: Prepared
    recipe: Recipe
    plan: Plan
    trial: Trial | None
    """What the steps do to the first rows; None: to images, or where they fail."""

    @property
    def steps(self) -> Iterator[tuple[PlannedStep, StepPlan]]:
        """Steps that may strike something, as asked and as settled."""
        both = zip(self.recipe.steps, self.plan.steps, strict=True)
        return ((asked, step) for asked, step in both if step.rate > 0)

    @property
    def rows(self) -> int:
        """How many training rows there are, as far as the survey has counted them."""
        return 0 if self.prepared.survey is None else self.prepared.survey.training

    def filled(self, column: str) -> int | None:
        """Return how many training cells of a column are not missing; None: that was not asked."""
        survey = self.prepared.survey
        return survey.columns[column].filled if survey is not None and column in survey.columns else None

    def column(self, name: str) -> Column | None:
        """Return what the survey found of a column; None: it did not look."""
        survey = self.prepared.survey
        return survey.columns[name].column() if survey is not None and name in survey.columns else None


Adviser = Callable[[Case], Iterator[Advice]]
"""Looks at a case for one thing."""


def by_kind(step: PlannedStep, columns: Sequence[str]) -> list[str]:
    """Return those columns that a step selects by a glob, a type or a keyword, and does not name."""
    selectors = step.columns or []
    wild = [s for s in selectors if not isinstance(s, str) or any(sign in s for sign in WILD)]
    named = {s for s in selectors if isinstance(s, str)} - set(map(str, wild))
    return [name for name in columns if name not in named]


def percent(part: float, whole: float) -> str:
    """Write a share for people: "97 %"; all and none only where it is so."""
    share = 100 * part / whole
    return "100 %" if part == whole else f"{min(max(share, 1), 99):.0f} %"


def first_of_each(found: Sequence[Advice], variants: int) -> list[Advice]:
    """Return each piece of advice once, in order, even if it holds for several variants of a sweep.

    What holds for all that were looked at names none.
    """
    seen: dict[Advice, list[Advice]] = {}
    for advice in found:
        seen.setdefault(replace(advice, text="", sweep=None), []).append(advice)
    return [replace(same[0], sweep=None) if len(same) == variants else same[0] for same in seen.values()]
