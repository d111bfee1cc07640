"""One streaming pass over the clean data for the facts that a recipe asks for, and no others.

Facts are summed up block by block and merged in the order of blocks and files, so they do not depend on how the data
was cut for reading. Types are decided over all rows, facts over the training rows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli import celltext
from noisecli.census import Census
from noisecli.columns import NUMBER, Column, Kind, kind_of
from noisecli.engine import Index, Slab, blocks, eligible_cells, strikeable
from noisecli.errors import DataProblem
from noisecli.mechanism import BINS, Curve, Histogram, Span
from noisecli.plan import QuotaKey
from noisecli.quota import KeySample, Quota, apportion, cell_keys, share
from noisecli.streams import Floats, Mask, Stream, Words
from noisecli.summaries import QUARTILES, Comoments, Cutter, Frequencies, Moments, Sample, row_keys
from noisecli.where import Where

MAX_CATEGORIES = 50_000
"""A column with more distinct values is not one of categories."""


Groups = list[tuple[object, Index]]
"""Stratum, and which cells belong to it."""


@dataclass(frozen=True)
class QuotaRequest:
    """An exact step on a column: the keys of its cells are sampled for each copy."""

    step: str
    column: str
    rate: float
    stratified: bool
    as_number: bool
    where: Where | None = None
    nulls: bool = False
    as_time: bool = False
    """Whether dates and times may be struck, and no other cells but, if it is `as_number`, numbers."""


@dataclass(frozen=True)
class CurveRequest:
    """A step that strikes cells by a curve: how many eligible cells lie in each bin."""

    step: str
    column: str
    """"" for whole rows."""
    curve: Curve
    as_number: bool
    where: Where | None = None
    window: Span | None = None
    nulls: bool = False


@dataclass(frozen=True)
class Request:
    """What a survey has to find out."""

    columns: Mapping[str, frozenset[str]]
    """Facts wanted of each column, as `TableCorruption.needs` lists them; maybe none, then only its type."""
    quotas: Sequence[QuotaRequest] = ()
    split: str | None = None
    seed: int = 0
    copies: int = 1
    types: Mapping[str, Kind] = field(default_factory=dict)
    """Columns of text whose type is said, not found out."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """How the dates of such columns are written, where that is not ISO 8601."""
    null_values: tuple[str, ...] = celltext.NULLS
    settled: Mapping[str, Column] = field(default_factory=dict)
    """Columns that conditions of quotas and curves speak of."""
    curves: Sequence[CurveRequest] = ()
    covariances: Sequence[tuple[str, ...]] = ()
    """Sets of columns whose covariances are wanted."""


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
    moments: Moments = field(default_factory=Moments)
    sample: Sample = field(default_factory=Sample)
    frequencies: Frequencies = field(default_factory=lambda: Frequencies(MAX_CATEGORIES))
    categories: Counter[object] = field(default_factory=Counter)
    cutter: Cutter = field(default_factory=Cutter)

    def add(self, cells: pa.Array, training: Mask, null_spellings: Mapping[str, int], keys: Words | None) -> None:
        """Take the cells of one slab; the keys of its rows are needed for quartiles."""
        chosen = training & celltext.to_mask(pc.is_valid(cells))
        numeric = chosen
        if self.as_text:
            found = self.census.add(cells, self.format)
            self.census.null_spellings.update(null_spellings)
            numeric = chosen & found
        if self.wanted - {"categories", "counts"} and (self.as_text or kind_of(self.storage) in NUMBER):
            numbers = celltext.parse_numbers(cells) if self.as_text else self._probe.to_numbers(cells)
            values = np.where(numeric, numbers, np.nan)
            if keys is not None and self.wanted & set(QUARTILES):
                self.sample.add(keys, values)
            if "mode" in self.wanted:
                self.frequencies.add(values)
            for block in self.cutter.add(values):
                self.moments.add(block)
        countable = kind_of(self.storage) is not Kind.OTHER
        if self.wanted & {"categories", "counts"} and countable and len(self.categories) <= MAX_CATEGORIES:
            counts = pc.value_counts(cells.filter(pa.array(chosen)))
            values, numbers = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
            self.categories.update(dict(zip(values, numbers, strict=True)))

    def end_file(self) -> None:
        """Close the last block of a file."""
        for block in self.cutter.end():
            self.moments.add(block)

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
        """Take what was gathered in the next file."""
        self.census.merge(later.census)
        self.moments.merge(later.moments)
        self.sample.merge(later.sample)
        self.frequencies.merge(later.frequencies)
        self.categories.update(later.categories)

    def column(self) -> Column:
        """Return the column with its facts."""
        kind = (self.said or self.census.kind()) if self.as_text else kind_of(self.storage)
        facts: dict[str, float] = {}
        if self.moments.count:
            sd = float(np.sqrt(self.moments.squares / self.moments.count))
            if not np.isfinite(sd) and self.wanted & {"mean", "sd"}:
                raise DataProblem(
                    f"column {self.name!r}: numbers too large for a standard deviation: use `unit: absolute`, or a "
                    "mechanism that does not go by this column"
                )
            facts = {"mean": self.moments.mean, "sd": sd, "min": self.moments.low, "max": self.moments.high}
        elif self.wanted - {"categories", "counts"}:
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
            covariances=None,  # they depend on the step
            **{name: value for name, value in facts.items() if name in self.wanted},
        )

    def _decimals(self) -> tuple[int, int]:
        if self.census.numbers == 0:
            return 0, 0
        return self.census.least_decimals, self.census.most_decimals

    def _categories(self, kind: Kind) -> tuple[object, ...] | None:
        if not self.wanted & {"categories", "counts"} or len(self.categories) > MAX_CATEGORIES:
            return None
        if kind is Kind.INTEGER and self.as_text:
            texts = pa.array(list(self.categories), self.storage)
            texts = texts.filter(pa.array(celltext.matches(texts, celltext.NUMBER)))  # what is no number is carried
            return tuple(text for _, text in sorted(zip(celltext.parse_numbers(texts), texts.to_pylist(), strict=True)))
        return tuple(sorted(self.categories, key=lambda v: v.encode() if isinstance(v, str) else v))  # type: ignore[return-value,arg-type]


@dataclass
class Survey:
    """Everything gathered from some files."""

    request: Request
    columns: dict[str, ColumnSurvey]
    samples: dict[tuple[QuotaRequest, int], dict[object, KeySample]] = field(default_factory=dict)
    training: int = 0
    histograms: list[Histogram] = field(default_factory=list)
    """One for each that the request asks for."""
    comoments: dict[tuple[str, ...], Comoments] = field(default_factory=dict)
    """By set of columns."""

    @classmethod
    def of(cls, request: Request, storage: Mapping[str, pa.DataType], as_text: bool) -> "Survey":
        """Return an empty survey of columns that are stored as said."""
        columns = {
            name: ColumnSurvey(
                name,
                storage[name],
                as_text,
                wanted,
                request.types.get(name),
                request.formats.get(name),
                request.null_values,
            )
            for name, wanted in request.columns.items()
        }
        histograms = [np.zeros(BINS, np.int64) for _ in request.curves]
        comoments = {names: Comoments() for names in request.covariances}
        return cls(request, columns, histograms=histograms, comoments=comoments)

    def add_file(self, path: str, slabs: Iterable[Slab]) -> None:
        """Take all slabs of one file, in order."""
        cutters = {names: Cutter() for names in self.comoments}
        for slab in slabs:
            training = strikeable(slab, self.request.split)
            self.training += int(np.count_nonzero(training))
            keys = self._row_keys(path, slab)
            for name, column in self.columns.items():
                column.add(slab.cells[name], training, slab.null_spellings.get(name, {}), keys)
                column.census.told |= slab.told.get(name, frozenset())
            for quota in self.request.quotas:
                self._sample(quota, path, slab, training)
            for asked, histogram in zip(self.request.curves, self.histograms, strict=True):
                histogram += self._binned(asked, slab, training)
            for names, cutter in cutters.items():
                for block in cutter.add(self._numbers(names, slab, training)):
                    self.comoments[names].add(block)
        for names, cutter in cutters.items():
            for block in cutter.end():
                self.comoments[names].add(block)
        for column in self.columns.values():
            column.end_file()

    def merge(self, later: "Survey") -> None:
        """Take what was gathered in the next file."""
        for name, column in later.columns.items():
            self.columns[name].merge(column)
        for key, strata in later.samples.items():
            mine = self.samples.setdefault(key, {})
            for value, sample in strata.items():
                if value in mine:
                    mine[value].merge(sample)
                else:
                    mine[value] = sample
        self.training += later.training
        for histogram, more in zip(self.histograms, later.histograms, strict=True):
            histogram += more
        for names, comoments in later.comoments.items():
            self.comoments[names].merge(comoments)

    def quotas(self, columns: Mapping[str, Column], asked: Sequence[QuotaRequest]) -> dict[QuotaKey, Quota]:
        """Settle how many cells each exact step strikes in each stratum, and up to which key."""
        result: dict[QuotaKey, Quota] = {}
        for request in asked:
            strata = columns[request.column].categories if request.stratified else (None,)
            for copy in range(1, self.request.copies + 1):
                samples = self.samples.get((request, copy), {})
                result[request.step, request.column, copy] = settle_quota(samples, request, strata or ())
        return result

    def _numbers(self, names: Sequence[str], slab: Slab, training: Mask) -> Floats:
        """Numbers of some columns, one below the other; NaN in rows that are no training data."""
        found = [self.request.settled[name].to_numbers(slab.cells[name]) for name in names]
        return np.where(training, np.stack(found), np.nan)

    def _binned(self, asked: CurveRequest, slab: Slab, training: Mask) -> Histogram:
        eligible, settled = training, self.request.settled
        rows = range(slab.first_row, slab.first_row + slab.rows)
        if asked.column:
            eligible = eligible & eligible_cells(slab, settled[asked.column], asked.as_number, asked.nulls)
        if asked.where is not None:
            eligible = eligible & asked.where.mask(slab.cells, settled)
        if asked.window is not None:
            eligible = eligible & asked.window.mask(slab.cells, rows)
        return np.bincount(asked.curve.bins(slab.cells, rows)[eligible], minlength=BINS)

    def _row_keys(self, path: str, slab: Slab) -> Words | None:
        """What decides which rows are sampled; None where no column asks for quartiles."""
        if not any(wanted & set(QUARTILES) for wanted in self.request.columns.values()):
            return None
        keys = [row_keys(path, block.number)[block.slots] for block in blocks(slab.first_row, slab.rows)]
        return np.concatenate(keys) if keys else np.zeros(0, np.uint64)

    def _sample(self, quota: QuotaRequest, path: str, slab: Slab, training: Mask) -> None:
        survey = self.columns[quota.column]
        if quota.where is not None:
            training = training & quota.where.mask(slab.cells, self.request.settled)
        if quota.column in slab.absent:
            training = training & ~slab.absent[quota.column]
        for block in blocks(slab.first_row, slab.rows):
            cells = slab.cells[quota.column][block.rows]
            eligible = np.flatnonzero(survey.eligible(cells, quota) & training[block.rows])
            groups: Groups = [(None, np.arange(len(eligible)))]
            if quota.stratified and kind_of(survey.storage) is not Kind.OTHER:
                groups = _groups(cells.take(pa.array(eligible)))
            for copy in range(1, self.request.copies + 1):
                stream = Stream(self.request.seed, copy, quota.step, path)
                keys = cell_keys(stream, quota.column, block.number)[block.slots][eligible]
                strata = self.samples.setdefault((quota, copy), {})
                for value, members in groups:
                    strata.setdefault(value, KeySample(quota.rate)).add(keys[members])


def settle_quota(samples: Mapping[object, KeySample], request: QuotaRequest, strata: Sequence[object]) -> Quota:
    """Apportion the cells to be struck over the strata and find each one's limit."""
    present = [samples.get(value, KeySample(request.rate)) for value in strata]
    sizes = [sample.count for sample in present]
    seats = apportion(share(request.rate, sum(sizes)), sizes)
    limits = tuple(sample.limit(seat) for sample, seat in zip(present, seats, strict=True))
    return Quota(tuple(strata) if request.stratified else None, limits)


def _groups(cells: pa.Array) -> Groups:
    encoded = cells.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    values = encoded.dictionary.to_pylist()
    return [(value, order[bounds[i] : bounds[i + 1]]) for i, value in enumerate(values)]
