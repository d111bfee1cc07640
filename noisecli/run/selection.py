"""Which columns a step strikes: by name, glob, type or keyword."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import pyarrow as pa

from noisecli.columns import NUMBER, Column, Kind
from noisecli.corruption import FileCorruption, RowsCorruption, TableCorruption
from noisecli.plan import Plan, StepPlan
from noisecli.recipe import KEYWORDS, ByType, PlannedStep, Recipe
from noisecli.recipe.source import Loc, did_you_mean
from noisecli.run.joint import parameter_of, partner_column

WILD = "*?["
"""What makes a glob of a name."""

MAX_LEVELS = 100
"""A text column with more distinct values is not selected by the keyword `category`."""


@dataclass(frozen=True)
class Choice:
    """A column that a step may strike, and how the step came to it."""

    column: str
    selectors: tuple[str | ByType, ...] = ()
    """Those of which one has to fit its type; none: the step names it."""

    @property
    def named(self) -> bool:
        """Whether the step names the column."""
        return not self.selectors

    def fits(self, column: Column) -> bool:
        """Whether the column is of a type that the step asks for."""
        return self.named or any(_is_of(column, selector) for selector in self.selectors)

    def joined(self, other: "Choice | None") -> "Choice":
        """Return the choice of a column that was chosen in another way, too."""
        both = () if self.named or other is None or other.named else (*other.selectors, *self.selectors)
        return self if other is None else replace(self, selectors=both)


Selection = dict[str, list[Choice]]
"""Choices by step id."""


def select(recipe: Recipe, fields: Mapping[str, pa.DataType], where: str) -> Selection:
    """Match the columns of each step by name; whether the types fit is seen after the survey.

    Args:
        recipe: the recipe.
        fields: name and storage of the columns.
        where: the file that they were read from, for faults.
    """
    selection: Selection = {}
    for step in recipe.steps:
        found: dict[str, Choice] = {}
        for k, selector in enumerate(_selectors(recipe, step)):
            names_only = step.patterns is not None
            choices = _match(recipe, selector, list(fields), names_only)
            is_name = isinstance(selector, str) and not any(sign in selector for sign in WILD)
            if not choices and (is_name or not step.optional):
                message = f"no column {selector!r} in {where}{did_you_mean(str(selector), list(fields))}"
                key: Loc = ("patterns",) if names_only else ("columns", k)
                recipe.source.fault(("steps", step.number, *key), message)
            for choice in choices:
                found[choice.column] = choice.joined(found.get(choice.column))
        selection[step.id] = [found[name] for name in fields if name in found]
    for loc, name in spoken_of(recipe):
        if name not in fields:
            recipe.source.fault(loc, f"no column {name!r} in {where}{did_you_mean(name, list(fields))}")
    recipe.source.raise_faults()
    return selection


def spoken_of(recipe: Recipe) -> Iterator[tuple[Loc, str]]:
    """Columns that a recipe names besides those to be struck, and where it does."""
    for role, name in recipe.head.data.roles.items():
        yield ("data", role), name
    for name in recipe.head.data.types:
        yield ("data", "types", name), name
    for step in recipe.steps:
        for name in step.where.columns if step.where else ():
            yield ("steps", step.number, "where"), name
        for name in step.mechanism.reads("") if step.mechanism else ():
            yield ("steps", step.number, "mechanism"), name
        for name in step.reads:
            yield parameter_of(step, name), name
        within = partner_column(recipe, step)
        if within is not None:
            yield parameter_of(step, within), within


def concerned(recipe: Recipe, names: Sequence[str]) -> Sequence[str]:
    """Columns that a recipe can be about: those that it names, or all where it goes by more than their names."""
    asked = [selector for step in recipe.steps for selector in _selectors(recipe, step)]
    asked += [name for _, name in spoken_of(recipe)]
    by_name = all(isinstance(name, str) and name in names for name in asked)
    return [name for name in names if name in asked] if by_name else names


def _selectors(recipe: Recipe, step: PlannedStep) -> Sequence[str | ByType]:
    if step.columns is not None:
        return step.columns
    assert isinstance(step.corruption, TableCorruption)
    role = step.corruption.role
    if role:
        return [getattr(recipe.head.data, role)]
    return step.corruption.looks_at() or () if isinstance(step.corruption, RowsCorruption) else ()


def _match(recipe: Recipe, selector: str | ByType, names: Sequence[str], names_only: bool) -> list[Choice]:
    roles = set(recipe.head.data.roles.values())
    others = [name for name in names if name not in roles]
    if isinstance(selector, str) and selector in names:
        return [Choice(selector)]
    if names_only:
        return []
    if isinstance(selector, ByType) or selector in KEYWORDS:
        return [Choice(name, (selector,)) for name in others]
    if any(sign in selector for sign in WILD):
        return [Choice(name, (selector,)) for name in others if fnmatchcase(name, selector)]
    return []


def left_out(recipe: Recipe, plans: Iterable[Plan]) -> list[str]:
    """Say which steps found nothing to strike, in a sweep once for all its variants.

    Raises:
        RecipeProblem: there is nothing else to do.
    """
    settled = zip(recipe.variants, plans, strict=True)
    both = [pair for v, plan in settled for pair in zip(v.recipe.steps, plan.steps, strict=True)]
    lines = {step.id: _left_out(step, planned) for step, planned in both if planned.rate < step.rate}
    if lines and all(step.id in lines for step, _ in both):
        recipe.source.fault((), "; ".join(["no step fits the data", *lines.values()]))
        recipe.source.raise_faults()
    return list(lines.values())


def _left_out(step: PlannedStep, planned: StepPlan) -> str:
    said = [f"{{dtype: {s.dtype}}}" if isinstance(s, ByType) else repr(s) for s in step.columns or ()]
    op = step.corruption.name
    why = f"{' or '.join(said)} selects no column that {op!r} can strike"
    if isinstance(step.corruption, FileCorruption) and (planned.columns or not said):
        why = f"{op!r} damages the text of a CSV file, and the input is none"
    return f"step {step.id!r} is left out: {why}"


def _is_of(column: Column, selector: str | ByType) -> bool:
    """Whether a column is of the type that a keyword asks for."""
    if isinstance(selector, ByType):
        return column.kind.value == selector.dtype
    if selector == "numeric":
        return column.kind in NUMBER
    if selector == "datetime":
        return column.kind in (Kind.DATE, Kind.DATETIME)
    if selector == "category":
        return _is_category(column)
    return selector != "text" or (column.kind is Kind.TEXT and not _is_category(column))


def _is_category(column: Column) -> bool:
    if column.kind is Kind.BOOL:
        return True
    return column.kind is Kind.TEXT and column.categories is not None and len(column.categories) <= MAX_LEVELS
