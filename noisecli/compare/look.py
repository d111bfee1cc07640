"""A first look at two sides: which columns there are to compare, of which types, and how many rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from noisecli.census import Census
from noisecli.columns import Column, Kind, kind_of
from noisecli.compare.cells import Values, side_of
from noisecli.compare.sides import Pair, Sides
from noisecli.errors import DataProblem, UsageProblem

MOST_CATEGORIES = 1000
"""A column of more values is none of categories."""

FEW = 20
"""So many categories are told by name; of integers there may be no more at all."""


@dataclass(frozen=True)
class Looked:
    """What a first look at the clean side tells."""

    columns: Mapping[str, Column]
    known: Mapping[str, list[str] | None]
    """Categories of each column; None where it has too many."""
    rows: Mapping[str, tuple[int, int]]
    """Clean and noisy rows of each file, by its name."""
    unread: Mapping[str, str]
    """Columns that cannot be compared, and why."""
    storage: Mapping[str, pa.DataType]
    """How the noisy side stores columns."""
    misfits: int
    """Rows of either side that do not fit the header; all their cells are missing."""


def look(sides: Sides, pairs: Sequence[Pair], only: Sequence[str] | None = None) -> Looked:
    """Find out which columns there are to compare, of which type, and how many rows.

    Args:
        sides: what the files are part of.
        pairs: the files.
        only: the columns that are asked for; None: all.

    Raises:
        DataProblem: there is no column that both sides have.
        UsageProblem: a column that is asked for is not on both sides.
    """
    tables = [(pair, pair.clean.table(), pair.noisy.table()) for pair in pairs]
    if not tables:
        raise DataProblem("there is no table on both sides")
    clean, noisy = ([table.fields() for table in side] for side in zip(*(found[1:] for found in tables), strict=True))
    names, unread = _shared(clean, noisy)
    if not names:
        raise DataProblem(f"{pairs[0].clean.name}, {pairs[0].noisy.name}: no column is on both sides")
    for name in only or ():
        if name not in names:
            raise UsageProblem(f"--columns: no column {name!r} on both sides; there are {', '.join(names)}")
    names = [name for name in names if only is None or name in only]
    said = sides.data.column_types
    census = {name: Census() for name in names}
    values = {name: Values() for name in names}
    rows, misfits = {}, 0
    for pair, before, after in tables:
        count = 0
        for _, slab in before.scan(names):
            count += slab.rows
            misfits += 0 if slab.misfits is None else int(np.count_nonzero(slab.misfits))
            for name in names:
                values[name].add(slab.cells[name])
                if before.as_text and name not in said:
                    census[name].add(slab.cells[name])
                    census[name].told |= slab.told.get(name, frozenset())
        found = [(slab.rows, slab.misfits) for _, slab in after.scan([])]
        misfits += sum(int(np.count_nonzero(wrong)) for _, wrong in found if wrong is not None)
        rows[pair.name] = (count, sum(number for number, _ in found))
    columns = {}
    for name in names:
        how = said.get(name) if tables[0][1].as_text else None
        kind = kind_of(clean[0][name])
        if tables[0][1].as_text:
            kind = census[name].kind() if how is None else Kind(how.dtype)
        columns[name] = side_of(name, kind, clean[0][name], None if how is None else how.format)
    known = {name: _categories(columns[name].kind, values[name]) for name in names}
    return Looked(columns, known, rows, unread, {name: noisy[0][name] for name in names}, misfits)


def _shared(
    clean: Sequence[Mapping[str, pa.DataType]], noisy: Sequence[Mapping[str, pa.DataType]]
) -> tuple[list[str], dict[str, str]]:
    """Columns that all files have in one type a side, and why the others are left out."""
    names, unread = [], {}
    for name in dict.fromkeys(name for fields in (*clean, *noisy) for name in fields):
        had = [sum(name in fields for fields in side) for side in (clean, noisy)]
        if had == [len(clean), len(noisy)]:
            if all(len({fields[name] for fields in side}) == 1 for side in (clean, noisy)):
                names.append(name)
            else:
                unread[name] = "of another type in some files"
        else:
            side = "clean" if not had[1] else "noisy" if not had[0] else ""
            unread[name] = f"only on the {side} side" if side else "not in every file"
    return names, unread


def _categories(kind: Kind, values: Values) -> list[str] | None:
    most = FEW if kind is Kind.INTEGER else MOST_CATEGORIES if kind in (Kind.TEXT, Kind.BOOL) else 0
    count, cells = len(values.counts), values.counts.total()
    if values.overfull or not 0 < count <= most or (count > FEW and 2 * count > cells):
        return None
    if kind is Kind.BOOL:
        return sorted({text.lower() for text in values.counts})
    return sorted(values.counts, key=lambda text: (-values.counts[text], text))
