"""Partner rows: every training row of the dataset has another one, by a keyed permutation of them all.

The clean cells that steps may ask of partners are spilled to a file once, and from there fetched by number: memory does
not grow with the dataset.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import ipc

from noisecli.celltext import to_mask
from noisecli.streams import Mask, Words, permuted, scramble

Numbers = NDArray[np.int64]
"""Numbers of training rows, counted over all files of the dataset in order."""

Pairing = tuple[str | None, str | None]
"""Column in which a row and its partner agree, if there is one; column in which a partner needs a value, if so."""

GROUP_BYTES = 24
"""What a row takes on disk for each pairing: its group, its place there, and who has it."""

PIECE = 1 << 18
"""Rows whose groups are sorted at once."""


class _Opened:
    """Base of what keeps files open: they are opened where they are used, and closed with the object."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Groups(_Opened):
    """Training rows in groups: those that may be partners of each other."""

    places: Path
    """Where each row stands among all, sorted by group: int64, raw, as the others."""
    members: Path
    """The other way round: the row at each place."""
    bounds: Path
    """First place of each group, and the end of the last."""

    def permuted(self, key: Words, rows: Numbers) -> Numbers:
        """Map rows onto rows of the same group."""
        places, members, bounds = self._arrays
        mine = places[rows]
        group = np.searchsorted(bounds, mine, side="right") - 1
        start = bounds[group]
        keys = scramble(key, group)
        return np.asarray(members[start + permuted(keys, mine - start, bounds[group + 1] - start)])

    @cached_property
    def _arrays(self) -> tuple[Numbers, Numbers, Numbers]:
        return _mapped(self.places), _mapped(self.members), _mapped(self.bounds)


@dataclass(frozen=True)
class Partners(_Opened):
    """Clean cells of all training rows, spilled to a file."""

    path: Path
    rows: int
    starts: Mapping[str, tuple[Numbers, Numbers]]
    """By address of a file: the first row of each of its slabs, and how many training rows precede it."""
    groups: Mapping[Pairing, Groups] = field(default_factory=dict)
    """By what partners have to be; without an entry any row is as good as any other."""

    def numbers(self, address: str, first_row: int, training: Mask) -> Numbers:
        """Number the rows of a slab; what is no training row has the number of the next that is."""
        firsts, preceding = self.starts[address]
        start = preceding[np.searchsorted(firsts, first_row)]
        return np.asarray(start + np.cumsum(training) - training, dtype=np.int64)

    def of(self, rows: Numbers, key: Words, pairing: Pairing) -> Numbers:
        """Return the partner of each row: by a permutation of all rows that may be partners of each other."""
        if pairing in self.groups:
            return self.groups[pairing].permuted(key, rows)
        return permuted(key, rows, np.full(len(rows), self.rows))

    def fetch(self, columns: Sequence[str], rows: Numbers) -> dict[str, pa.Array]:
        """Return the clean cells of some rows, in any order and number."""
        source, ends = self._source
        order = np.argsort(rows, kind="stable")
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        ascending = rows[order]
        cuts = np.searchsorted(ascending, ends)
        pieces: dict[str, list[pa.Array]] = {name: [] for name in columns}
        for number in np.flatnonzero(np.diff(cuts, prepend=0)).tolist():
            held = source.get_batch(number)
            start = int(ends[number]) - held.num_rows
            mine = pa.array(ascending[cuts[number - 1] if number else 0 : cuts[number]] - start)
            for name in columns:
                pieces[name].append(held.column(name).take(mine))
        types = {name: source.schema.field(name).type for name in columns}
        return {n: pa.concat_arrays(p or [pa.array([], types[n])]).take(pa.array(back)) for n, p in pieces.items()}

    @cached_property
    def _source(self) -> tuple[ipc.RecordBatchFileReader, Numbers]:
        """The batches, and where each ends."""
        source = ipc.open_file(pa.memory_map(os.fsencode(self.path)))
        sizes = [source.get_batch(i).num_rows for i in range(source.num_record_batches)]
        return source, np.cumsum(sizes, dtype=np.int64)


def _mapped(path: Path) -> Numbers:
    return np.memmap(path, np.int64, "r") if path.stat().st_size else np.zeros(0, np.int64)


Batches = Iterable[tuple[str, int, pa.RecordBatch]]
"""Address of a file, first row of a slab, clean cells of its training rows."""


def spill(batches: Batches, schema: pa.Schema, pairings: Sequence[Pairing], folder: Path) -> Partners:
    """Write the clean cells of all training rows to a folder, in the order of files and rows.

    Args:
        batches: what there is to write.
        schema: of the batches.
        pairings: what partners have to be.
        folder: exists and is empty.
    """
    starts: dict[str, list[tuple[int, int]]] = {}
    rows = 0
    path = folder / "rows"
    groupings = {pairing: _Grouping(folder / f"group{i}") for i, pairing in enumerate(pairings)}
    with pa.OSFile(os.fsencode(path), "wb") as file, ipc.new_file(file, schema) as writer:
        for address, first_row, batch in batches:
            starts.setdefault(address, []).append((first_row, rows))
            rows += batch.num_rows
            if batch.num_rows:
                writer.write_batch(batch)
            for (within, needed), grouping in groupings.items():
                everything = pa.repeat(True, batch.num_rows)
                value = everything if within is None else batch.column(within)
                grouping.add(value, everything if needed is None else batch.column(needed))
    known = {address: (np.array([a for a, _ in s]), np.array([b for _, b in s])) for address, s in starts.items()}
    sorted_rows = {pairing: grouping.sort() for pairing, grouping in groupings.items()}
    return Partners(path, rows, known, {pairing: groups for pairing, groups in sorted_rows.items() if groups})


class _Grouping:
    """Sorts rows by group, by counting: all that is in memory is a piece of them and a number a group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._codes: dict[object, int] = {}
        self._counts: Counter[int] = Counter()
        self._file = path.with_suffix(".codes").open("wb")

    def add(self, values: pa.Array, needed: pa.Array) -> None:
        """Take the next rows: those of a group have the same value, and all or none has what is needed."""
        encoded = _comparable(values).dictionary_encode("encode")
        known = encoded.dictionary.to_pylist()
        valid = ~to_mask(pc.is_null(needed, nan_is_null=True))
        local = encoded.indices.to_numpy(zero_copy_only=False) * 2 + valid
        found, firsts, where, counts = np.unique(local, return_index=True, return_inverse=True, return_counts=True)
        # Groups are numbered as they appear, or their numbers would depend on how the rows are cut into slabs.
        for i in found[np.argsort(firsts)].tolist():
            self._codes.setdefault((known[i // 2], i % 2), len(self._codes))
        codes = [self._codes[known[i // 2], i % 2] for i in found.tolist()]
        self._counts.update(dict(zip(codes, counts.tolist(), strict=True)))
        np.array(codes, np.int64)[where].tofile(self._file)

    def sort(self) -> Groups | None:
        """Sort the rows; None: all are one group."""
        self._file.close()
        if len(self._codes) <= 1:
            Path(self._file.name).unlink()
            return None
        codes = _mapped(Path(self._file.name))
        ends = np.cumsum([self._counts[code] for code in range(len(self._codes))], dtype=np.int64)
        bounds = np.concatenate([[0], ends])
        groups = Groups(*(self._path.with_suffix(suffix) for suffix in (".places", ".members", ".bounds")))
        bounds.tofile(groups.bounds)
        free = bounds[:-1].copy()
        members = np.memmap(groups.members, np.int64, "w+", shape=(len(codes),))
        with groups.places.open("wb") as file:
            for start, mine in _pieces(codes):
                order = np.argsort(mine, kind="stable")
                found, firsts, counts = np.unique(mine[order], return_index=True, return_counts=True)
                places = np.empty(len(mine), np.int64)
                nth = np.arange(len(mine)) - np.repeat(firsts, counts)
                places[order] = free[mine[order]] + nth
                free[found] += counts
                places.tofile(file)
                members[places] = np.arange(start, start + len(mine))
        members.flush()
        Path(self._file.name).unlink()
        return groups


def _comparable(cells: pa.Array) -> pa.Array:
    """Cells that equal themselves, as NaN does not, and that Python can hold, as it cannot the year 10,000."""
    if pa.types.is_floating(cells.type):
        return pc.if_else(pc.is_nan(cells), None, cells)
    if pa.types.is_temporal(cells.type):
        return cells.view(pa.int32() if cells.type.bit_width == 32 else pa.int64())
    return cells


def _pieces(codes: Numbers) -> Iterator[tuple[int, Numbers]]:
    for start in range(0, len(codes), PIECE):
        yield start, np.asarray(codes[start : start + PIECE])
