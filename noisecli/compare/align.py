"""Which row of a noisy table comes from which row of the clean one."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noisecli.celltext import as_written
from noisecli.compare.rows import ADDED, PIECE, Link, Numbers, Store, cut
from noisecli.compare.sides import Pair, Sides
from noisecli.errors import DataProblem, UsageProblem
from noisecli.formats import TableFile
from noisecli.formats.arranged import find_order
from noisecli.run.truth import SCHEMA
from noisecli.streams import Stream

HASH_BITS = 53
"""Of a key: so many are exact as a float."""

MOST_LIES = 100
"""So many lines about rows that cannot be are told of; where there is one, the others seldom say more."""


def link(sides: Sides, pair: Pair, rows: tuple[int, int], key: str | None, space: Path) -> Link:
    """Find out which rows of two tables belong together.

    Args:
        sides: what the tables are part of.
        pair: the tables.
        rows: how many rows they have, clean and noisy.
        key: a column that holds something else in every clean row; None: go by the truth, or by position.
        space: a folder for what is put aside.

    Raises:
        UsageProblem: there is no such column.
        DataProblem: a key occurs twice in the clean table, or a row has none.
    """
    if key is not None:
        return _by_key(pair, rows, key, space)
    advice = "name a column that tells rows apart with --key"
    if pair.carried or not sides.row_steps:
        found = Link("position") if rows[0] == rows[1] else _by_fitting(pair, rows, space)
        if found is not None:
            return found
        dirt = "; steps damaged the text of the file" if sides.is_dirty else ""
        return Link("", why=f"there are {rows[0]:,} clean rows and {rows[1]:,} noisy ones{dirt}: {advice}")
    if sides.truth is None:
        steps = "a step moved, repeated or dropped rows, and no truth file says where they went"
        return Link("", why=f"{steps}: run it with --truth, or {advice}")
    found = _by_truth(sides, pair, rows, space)
    if found.lies and sides.is_dirty:
        return Link("", why=f"steps damaged the text of the file, so its rows cannot be counted: {advice}")
    return found


def truth_lines(sides: Sides, pair: Pair, columns: list[str]) -> Iterator[pa.Table]:
    """Yield what the truth file says of one file of this copy, piece by piece.

    Raises:
        DataProblem: it is no truth file.
    """
    assert sides.truth is not None
    about = (pc.field("file") == pair.name) & (pc.field("copy") == sides.copy)
    about &= pc.field("sweep").is_null() if sides.sweep is None else pc.field("sweep") == sides.sweep
    fields = [SCHEMA.field(name) for name in dict.fromkeys(["sweep", "copy", "file", *columns])]
    for batch in batches(sides.truth, fields):
        lines = batch.filter(about)
        if len(lines):
            yield lines.select(columns).combine_chunks()


def batches(path: Path, fields: Iterable[pa.Field]) -> Iterator[pa.Table]:
    """Read some columns of a companion, piece by piece.

    Raises:
        DataProblem: it cannot be read, or does not have them.
    """
    schema = pa.schema(fields)
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(PIECE, columns=schema.names):
                yield pa.Table.from_batches([batch]).select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        if getattr(error, "errno", None):
            raise
        reason = " ".join(str(error).split())
        raise DataProblem(f"{path}: not as noisecli writes it: {reason}: put back the file that the run made") from None


def _by_fitting(pair: Pair, rows: tuple[int, int], space: Path) -> Link | None:
    """Pass over noisy rows that do not fit the header, such as blank lines and footers, if the others are as many."""
    origin = _numbers(space / "origin", rows[1], ADDED)
    count = 0
    for _, slab in pair.noisy.table().scan([]):
        fits = np.ones(slab.rows, bool) if slab.misfits is None else ~slab.misfits
        origin[slab.first_row : slab.first_row + slab.rows][fits] = count + np.arange(np.count_nonzero(fits))
        count += int(np.count_nonzero(fits))
    return Link("position", origin) if count == rows[0] else None


def _by_truth(sides: Sides, pair: Pair, rows: tuple[int, int], space: Path) -> Link:
    origin = _numbers(space / "origin", rows[1], ADDED)
    lies = []
    for lines in truth_lines(sides, pair, ["row", "output_row", "column"]):
        whole = lines.filter(pc.field("column").is_null() & pc.field("output_row").is_valid())
        source, place = (np.asarray(pc.fill_null(whole[name], -1)) for name in ("row", "output_row"))
        known = (source >= 0) & (source < rows[0]) & (place >= 0) & (place < rows[1])
        twice = np.zeros(len(place), bool)
        twice[known] = (origin[place[known]] != ADDED) | ~_firsts(place[known])
        for wrong, what in ((~known, "which is not there"), (twice, "which another line tells of, too")):
            pairs = zip(source[wrong][:MOST_LIES].tolist(), place[wrong][:MOST_LIES].tolist(), strict=True)
            lies += [f"row {a} is said to be row {b} of the copy, {what}" for a, b in pairs]
        origin[place[known & ~twice]] = source[known & ~twice]
    untold = np.flatnonzero(np.asarray(origin) == ADDED)
    lies += [f"row {place} of the copy is not told of" for place in untold[:MOST_LIES].tolist()]
    return Link("truth", origin, lies=tuple(lies[:MOST_LIES]))


def _firsts(places: Numbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of some numbers have not been there before."""
    first = np.zeros(len(places), bool)
    first[np.unique(places, return_index=True)[1]] = True
    return first


def _by_key(pair: Pair, rows: tuple[int, int], key: str, space: Path) -> Link:
    clean, noisy = pair.clean.table(), pair.noisy.table()
    for file, table in ((pair.clean, clean), (pair.noisy, noisy)):
        if key not in table.fields():
            raise UsageProblem(f"--key: {file.name} has no column {key!r}; it has {', '.join(table.fields())}")
    origin = _numbers(space / "origin", rows[1], ADDED)
    if rows[0] == 0:
        return Link(f"key {key}", origin)
    with Store(space) as store:
        index = _Index(clean, key, pair.clean.name, store, rows[0], space)
        for first, _, cells in cut(noisy, [key]):
            origin[first : first + len(cells[key])] = index.find(cells[key])
    if rows[1] and np.max(origin) == ADDED:
        alike = "see whether both are written alike, as 3 and 3.0 are not"
        return Link("", why=f"no {key!r} of {pair.noisy.name} is in {pair.clean.name}: {alike}")
    return Link(f"key {key}", origin)


class _Index:
    """Finds rows by their keys: their hashes are sorted on disk, 24 bytes a row, the keys themselves are compared."""

    def __init__(self, table: TableFile, key: str, name: str, store: Store, rows: int, space: Path) -> None:
        self._key, self._name, self._store = key, name, store
        hashes = _numbers(space / "hashes", rows, 0)
        with (space / "keys").open("wb") as sink:
            for first, count, cells in cut(table, [key]):
                texts = as_written(cells[key])
                if texts.null_count:
                    row = first + int(np.argmax(np.asarray(texts.is_null())))
                    raise DataProblem(f"{name}: row {row} has no {key!r}: name a column that every row has with --key")
                hashes[first : first + count] = _hashed(texts)
                (hashes[first : first + count] * (2.0**-HASH_BITS * rows)).tofile(sink)
                store.add({key: texts}, count)
        order = find_order([space / "keys"], rows)
        self._order: Numbers = np.arange(rows) if order is None else order
        self._sorted = _numbers(space / "sorted", rows, 0)
        for start in range(0, rows, PIECE):
            self._sorted[start : start + PIECE] = hashes[self._order[start : start + PIECE]]
        self._refuse_twins()

    def _refuse_twins(self) -> None:
        for start in range(0, len(self._sorted), PIECE):
            some = self._sorted[start : start + PIECE + 1]
            near = start + np.flatnonzero(some[1:] == some[:-1])
            if len(near):
                one, other = (self._store.fetch([self._key], self._order[at])[self._key] for at in (near, near + 1))
                same = np.asarray(pc.equal(one, other))
                if same.any():
                    value = one[int(np.argmax(same))].as_py()
                    raise DataProblem(
                        f"{self._name}: {self._key!r} is {value!r} in several rows: no key tells them apart"
                    )

    def find(self, cells: pa.Array) -> Numbers:
        """Return the clean row of each noisy key, or ADDED."""
        texts = as_written(cells)
        places = _hashed(pc.fill_null(texts, ""))
        at = np.searchsorted(self._sorted, places)
        found = np.full(len(texts), ADDED, np.int64)
        for step in range(2):  # two keys of one hash are so rare that three are none
            inside = np.minimum(at + step, len(self._sorted) - 1)
            maybe = np.flatnonzero((self._sorted[inside] == places) & (found == ADDED))
            rows = np.asarray(self._order[inside[maybe]])
            theirs = self._store.fetch([self._key], rows)[self._key]
            same = np.asarray(pc.fill_null(pc.equal(texts.take(pa.array(maybe)), theirs), False))
            found[maybe[same]] = rows[same]
        return found


def _hashed(texts: pa.Array) -> Numbers:
    words = Stream(0, 0, "", "").words("compare", "", texts.to_pylist())
    return (words >> np.uint64(64 - HASH_BITS)).astype(np.int64)


def _numbers(path: Path, count: int, value: int) -> Numbers:
    """So many equal numbers, mapped from a file that goes with them."""
    if count == 0:
        return np.zeros(0, np.int64)
    array = np.memmap(path, np.int64, "w+", shape=(count,))
    path.unlink()
    for start in range(0, count, PIECE):
        array[start : start + PIECE] = value
    return array
