"""Wrong levels: off by one, too coarse, or unknown."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field, PositiveInt, model_validator

from noisecli.columns import CATEGORY, TEXT, Column, Kind
from noisecli.corruption import CellCorruption, register
from noisecli.corruptions.table.relabel import (
    RATES,
    Relabel,
    Tokens,
    Weighted,
    by_label,
    cannot_hold,
    lacks,
    listed,
    put_tokens,
    text_among,
    to_cells,
)
from noisecli.streams import BlockDraws


@register
class OrdinalShift(Relabel):
    """Move a level of an ordered scale some levels up or down: a rater who is off by one.

    Up and down are equally likely; at an end of the scale a cell goes as far as there are levels, the other way where
    there are none.

    Source: Cohen 1968, "Weighted Kappa: Nominal Scale Agreement with Provision for Scaled Disagreement or
    Partial Credit".

    Example:
        {op: ordinal_shift, columns: [rating], k: 1, rate: 0.1}
    """

    accepts = CATEGORY - {Kind.BOOL}
    severities = RATES
    unchanged = "the value is no level of the scale, or its only one"

    order: Tokens | None = None
    """All levels, lowest first; values that are none of them stay. Left out: the column's values, sorted, numbers by
    size."""

    k: PositiveInt = 1
    """How many levels a cell moves."""

    @model_validator(mode="after")
    def _levels_differ(self) -> "OrdinalShift":
        if self.order is not None and len(set(self.order)) < len(self.order):
            raise ValueError("`order` names a level twice")
        return self

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def objection(self, column: Column) -> str | None:
        if self.order is None:
            return super().objection(column)
        if column.categories and not set(self.order) & set(by_label(column)):
            return f"has none of the levels in `order`; {listed(column)}"
        return super().objection(column) or cannot_hold(self.order, column)

    def widens(self, column: Column) -> str | None:
        return text_among(self.order or (), column)

    def alternatives(self, column: Column) -> Callable[[Any], Weighted]:
        levels = list(column.categories or ())
        if self.order is not None:
            levels = to_cells(self.order, column.storage).to_pylist()
        place = {level: i for i, level in enumerate(levels)}

        def moved(value: Any) -> Weighted:
            i = place.get(value)
            if i is None:
                return {}
            ends = (levels[max(i - self.k, 0)], levels[min(i + self.k, len(levels) - 1)])
            return {level: 1.0 for level in ends if level != value}

        return moved


class Regrouped(Relabel):
    """Base of ops that are told which categories become which."""

    accepts = TEXT | {Kind.INTEGER}

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def objection(self, column: Column) -> str | None:
        return super().objection(column) or lacks(self.become(), column) or cannot_hold(self._new(), column)

    def widens(self, column: Column) -> str | None:
        return text_among(self._new(), column)

    def alternatives(self, column: Column) -> Callable[[Any], Weighted]:
        known = by_label(column)
        olds = {known[old]: news for old, news in self.become().items() if old in known}
        become = {old: dict.fromkeys(to_cells(news, column.storage).to_pylist(), 1.0) for old, news in olds.items()}
        return lambda value: become.get(value, {})

    def _new(self) -> list[str]:
        return [new for news in self.become().values() for new in news]

    @abstractmethod
    def become(self) -> Mapping[str, Sequence[str]]:
        """Return of each category that does not stay what it may become, all alike."""


@register
class MergeLevels(Regrouped):
    """Replace categories by coarser ones that hold several of them.

    Source: Heitjan and Rubin 1991, "Ignorability and Coarse Data".

    Example:
        {op: merge_levels, columns: [street], levels: {water: [river], other: ["Oak Street", Ada]}, rate: 0.5}
    """

    unchanged = "its category is none of those that are merged"

    levels: Annotated[dict[str, Tokens], Field(min_length=1)]
    """Of each coarser category, the categories that become it; all others stay."""

    @model_validator(mode="after")
    def _levels_are_in_one_group(self) -> "MergeLevels":
        olds = [old for group in self.levels.values() for old in group]
        twice = next((old for old in olds if olds.count(old) > 1), None)
        if twice is not None:
            raise ValueError(f"levels: {twice!r} cannot become two categories")
        return self

    def become(self) -> Mapping[str, Sequence[str]]:
        return {old: [new] for new, group in self.levels.items() for old in group}


@register
class SplitLevel(Regrouped):
    """Replace a category by one of several finer ones: a code list that some sources have refined and others have not.

    Source: Rahm and Do 2000, "Data Cleaning: Problems and Current Approaches", on different levels of aggregation.

    Example:
        {op: split_level, columns: [street], levels: {river: [river bank, river bed]}, rate: 0.5}
    """

    unchanged = "its category is none of those that are split, or one of its own finer ones"

    levels: Annotated[dict[str, Tokens], Field(min_length=1)]
    """Of each category that is split, the finer ones that it becomes, all alike; it may be one of them. All other
    categories stay."""

    @model_validator(mode="after")
    def _finer_levels_differ(self) -> "SplitLevel":
        for old, news in self.levels.items():
            if len(set(news)) < len(news):
                raise ValueError(f"levels: {old!r} names a finer category twice")
            if news == (old,):
                raise ValueError(f"levels: {old!r} becomes nothing but itself")
        return self

    def become(self) -> Mapping[str, Sequence[str]]:
        return self.levels


@register
class RareToOther(Relabel):
    """Replace rare categories by one that stands for them all.

    Source: Hundepool et al. 2012, "Statistical Disclosure Control", on global recoding.

    Example:
        {op: rare_to_other, columns: [country], below: 0.2, rate: 1}
    """

    unchanged = "its category is not rare"

    below: Annotated[float, Field(gt=0, le=1)]
    """A category is rare if its share of the training cells is smaller, 0 to 1."""

    other: str = "Other"
    """What rare categories become."""

    def needs(self) -> frozenset[str]:
        return frozenset({"categories", "counts"})

    def alternatives(self, column: Column) -> Callable[[Any], Weighted]:
        counts = dict(zip(column.categories or (), column.counts or (), strict=True))
        least = self.below * sum(counts.values())
        return lambda value: {self.other: 1.0} if counts.get(value, least) < least else {}


@register
class UnseenCategory(CellCorruption):
    """Replace a category by one that the training data does not have: a new code, a renamed branch.

    Source: Breck et al. 2019, "Data Validation for Machine Learning", on values outside a feature's domain.

    Example:
        {op: unseen_category, columns: [ward], values: [97, 98], rate: 0.1}
    """

    accepts = CATEGORY - {Kind.BOOL}
    default_rate = 0.1
    severities = RATES
    unchanged = "an earlier step had put the only new category there"
    fills_nulls = True

    values: Tokens
    """The new categories, all equally likely; none may occur in the training data."""

    def needs(self) -> frozenset[str]:
        return frozenset({"categories"})

    def objection(self, column: Column) -> str | None:
        known = by_label(column)
        seen = next((value for value in self.values if value in known), None)
        if seen is not None:
            return f"already has the category {seen!r}: it is not unseen"
        return super().objection(column) or cannot_hold(self.values, column)

    def widens(self, column: Column) -> str | None:
        return text_among(self.values, column)

    def corrupt(self, values: pa.Array, column: Column, draws: BlockDraws) -> pa.Array:
        return put_tokens(values, to_cells(self.values, values.type), draws.uniform())
