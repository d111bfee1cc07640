"""What a survey gathers of one column."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli import celltext
from noisecli.census import Census
from noisecli.columns import NUMBER, Column, Kind, kind_of
from noisecli.errors import DataProblem
from noisecli.streams import Mask, Words
from noisecli.summaries import QUARTILES, BlockSums, Frequencies, Moments, Sample
from noisecli.survey.request import QuotaRequest
from noisecli.vocabulary import Vocabulary

MAX_CATEGORIES = 50_000
"""A column with more distinct values is not one of categories."""

MAX_CATEGORY_SIZE = 8_000_000
"""Nor is one whose distinct values have more characters together: a manifest has to hold them."""

NO_FIGURES = frozenset({"categories", "counts", "words", "filled"})
"""Facts that need no numbers."""


@dataclass
class ColumnSurvey:
    """All that is gathered of one column."""

    name: str
    storage: pa.DataType
    as_text: bool
    wanted: frozenset[str]
    said: Kind | None = None
    """The type, where it is not to be found out."""
    format: str | None = None
    null_values: tuple[str, ...] = celltext.NULLS
    census: Census = field(default_factory=Census)
    moments: BlockSums[Moments] = field(default_factory=lambda: BlockSums(Moments))
    sample: Sample = field(default_factory=Sample)
    frequencies: Frequencies = field(default_factory=lambda: Frequencies(MAX_CATEGORIES))
    categories: Counter[object] = field(default_factory=Counter)
    category_size: int = 0
    """Characters, or bytes, of all distinct values."""
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    filled: int = 0
    """Training cells that are not missing."""

    def add(self, cells: pa.Array, training: Mask, null_spellings: Mapping[str, int], keys: Words | None) -> None:
        """Take the cells of one slab; the keys of its rows are needed for quartiles."""
        chosen = training & celltext.are_valid(cells)
        self.filled += int(np.count_nonzero(chosen))
        read = self.census.add(cells, self.format) if self.as_text else None
        self.census.null_spellings.update(null_spellings)
        if self.wanted - NO_FIGURES and (self.as_text or kind_of(self.storage) in NUMBER):
            numbers = self._probe.to_numbers(cells) if read is None else read.values
            values = np.where(chosen, numbers, np.nan)
            if keys is not None and self.wanted & set(QUARTILES):
                self.sample.add(keys, values)
            if "mode" in self.wanted:
                self.frequencies.add(values)
            self.moments.add(values)
        if "words" in self.wanted and kind_of(self.storage) is Kind.TEXT:
            self.vocabulary.add(cells.filter(pa.array(chosen)))
        countable = kind_of(self.storage) is not Kind.OTHER
        if self.wanted & {"categories", "counts"} and countable and self._may_be_categories:
            counts = pc.value_counts(cells if chosen.all() else cells.filter(pa.array(chosen)))
            values, numbers = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
            self._count(dict(zip(values, numbers, strict=True)))

    def _count(self, counts: Mapping[object, int]) -> None:
        """Count values."""
        fresh = (value for value in counts if isinstance(value, str | bytes) and value not in self.categories)
        self.category_size += sum(map(len, fresh))
        self.categories.update(counts)

    @property
    def _may_be_categories(self) -> bool:
        return len(self.categories) <= MAX_CATEGORIES and self.category_size <= MAX_CATEGORY_SIZE

    def eligible(self, cells: pa.Array, quota: QuotaRequest) -> Mask:
        """Which cells may be struck, before the type of the column is known."""
        others = self._probe.eligible(cells, quota.as_number, quota.nulls)
        if not quota.as_time:
            return others
        times = replace(self._probe, kind=Kind.DATETIME, decimals=None).eligible(cells, True, quota.nulls)
        return times | others if quota.as_number else times

    @property
    def _probe(self) -> Column:
        """The column as far as its storage tells."""
        decimals = (0, 0) if self.as_text else None
        return Column(self.name, Kind.FLOAT, self.storage, decimals, clean_text=False, format=self.format)

    def merge(self, later: "ColumnSurvey") -> None:
        """Take what was gathered in the next file, or in the next part of the same."""
        self.census.merge(later.census)
        self.moments.merge(later.moments)
        self.sample.merge(later.sample)
        self.frequencies.merge(later.frequencies)
        self._count(later.categories)
        self.vocabulary.merge(later.vocabulary)
        self.filled += later.filled

    def column(self) -> Column:
        """Return the column with its facts."""
        kind = (self.said or self.census.kind()) if self.as_text else kind_of(self.storage)
        facts: dict[str, float] = {}
        moments = self.moments.total
        if moments.count:
            sd = float(np.sqrt(moments.squares / moments.count))
            if not np.isfinite(sd) and self.wanted & {"mean", "sd"}:
                raise DataProblem(
                    f"column {self.name!r}: numbers too large for a standard deviation: use `unit: absolute`, or a "
                    "mechanism that does not go by this column"
                )
            facts = {"mean": moments.mean, "sd": sd, "min": moments.low, "max": moments.high}
        elif self.wanted - NO_FIGURES:
            facts = dict.fromkeys(("mean", "sd", "min", "max"), 0.0)
        if self.wanted & set(QUARTILES):
            facts |= self.sample.quartiles()
        if "mode" in self.wanted:
            facts["mode"] = self.frequencies.mode()
        numeric_text = self.as_text and kind in NUMBER
        categories = self._categories(kind)
        counted = categories is not None and "counts" in self.wanted
        return Column(
            name=self.name,
            kind=kind,
            storage=self.storage,
            decimals=self._decimals() if numeric_text else None,
            null=self.census.null(self.null_values),
            clean_text=self.census.numbers == self.census.cells,
            format=self.format,
            categories=categories,
            counts=tuple(self.categories[value] for value in categories or ()) if counted else None,
            words=self.vocabulary.words() if "words" in self.wanted else None,
            covariances=None,  # they depend on the step
            **{name: value for name, value in facts.items() if name in self.wanted},
        )

    def _decimals(self) -> tuple[int, int]:
        if self.census.numbers == 0:
            return 0, 0
        return self.census.least_decimals, self.census.most_decimals

    def _categories(self, kind: Kind) -> tuple[object, ...] | None:
        if not self.wanted & {"categories", "counts"} or not self._may_be_categories:
            return None
        if kind is Kind.INTEGER and self.as_text:
            texts = pa.array(list(self.categories), self.storage)
            texts = texts.filter(pa.array(celltext.is_number(texts)))  # what is no number is carried
            return tuple(text for _, text in sorted(zip(celltext.parse_numbers(texts), texts.to_pylist(), strict=True)))
        return tuple(sorted(self.categories, key=lambda v: v.encode() if isinstance(v, str) else v))  # type: ignore[return-value,arg-type]
