"""One streaming pass over the clean data for the facts that a recipe asks for, and no others.

Facts are summed up block by block and merged in the order of blocks and files, so they do not depend on how the data
was cut for reading. Types are decided over all rows, facts over the training rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from noisecli.columns import Column, Kind, kind_of
from noisecli.engine import Index, Slab, blocks, eligible_cells, strikeable
from noisecli.mechanism import BINS, Histogram
from noisecli.plan import QuotaKey
from noisecli.quota import KeySample, Quota, apportion, cell_keys, share
from noisecli.streams import Floats, Mask, Stream, Words
from noisecli.summaries import QUARTILES, BlockSums, Comoments, Moments, row_keys
from noisecli.survey.column import ColumnSurvey
from noisecli.survey.request import CurveRequest, QuotaRequest, Request

Groups = list[tuple[object, Index]]
"""Stratum, and which cells belong to it."""


@dataclass
class Survey:
    """Everything gathered from some files."""

    request: Request
    columns: dict[str, ColumnSurvey]
    samples: dict[tuple[QuotaRequest, int], dict[object, KeySample]] = field(default_factory=dict)
    training: int = 0
    histograms: list[Histogram] = field(default_factory=list)
    """One for each that the request asks for."""
    comoments: dict[tuple[str, ...], BlockSums[Comoments]] = field(default_factory=dict)
    """By set of columns."""

    @classmethod
    def of(
        cls, request: Request, storage: Mapping[str, pa.DataType], as_text: bool, first_row: int | None = None
    ) -> "Survey":
        """Return an empty survey of columns that are stored as said.

        Args:
            request: what to find out.
            storage: types in the file.
            as_text: whether every cell is stored as text.
            first_row: of a part of a file, to be merged with the others in order; None: of whole files.
        """
        columns = {
            name: ColumnSurvey(
                name,
                storage[name],
                as_text,
                wanted,
                request.types.get(name),
                request.formats.get(name),
                request.null_values,
                moments=BlockSums(Moments, first_row),
            )
            for name, wanted in request.columns.items()
        }
        histograms = [np.zeros(BINS, np.int64) for _ in request.curves]
        comoments = {names: BlockSums(Comoments, first_row) for names in request.covariances}
        return cls(request, columns, histograms=histograms, comoments=comoments)

    def add_file(self, path: str, slabs: Iterable[Slab]) -> None:
        """Take all slabs of one file, in order, or of a part of it."""
        for slab in slabs:
            training = strikeable(slab, self.request.split)
            self.training += int(np.count_nonzero(training))
            keys = self._row_keys(path, slab)
            for name, column in self.columns.items():
                if name not in slab.cells:
                    continue  # nothing has to be known of its cells
                column.add(slab.cells[name], training, slab.null_spellings.get(name, {}), keys)
                column.census.told |= slab.told.get(name, frozenset())
            for quota in self.request.quotas:
                self._sample(quota, path, slab, training)
            for asked, histogram in zip(self.request.curves, self.histograms, strict=True):
                histogram += self._binned(asked, slab, training)
            for names, sums in self.comoments.items():
                sums.add(self._numbers(names, slab, training))
        self.end_file()

    def end_file(self) -> None:
        """Close the last block of a file, of which all parts are there."""
        for column in self.columns.values():
            column.moments.end()
        for sums in self.comoments.values():
            sums.end()

    def merge(self, later: "Survey") -> None:
        """Take what was gathered in the next file, or in the next part of the same."""
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
        for names, sums in later.comoments.items():
            self.comoments[names].merge(sums)

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
