"""What a run did to some rows, told by its truth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from noisecli import manifest as manifests
from noisecli.celltext import as_written
from noisecli.corruption import FileCorruption, RowsCorruption
from noisecli.preview.choose import cover, moved
from noisecli.preview.model import Change, PreviewRow, RawLine
from noisecli.recipe import Recipe
from noisecli.recipe.checked import PlannedStep
from noisecli.run import Outcome, prepare
from noisecli.run.dataset import Dataset, InputFile, discover
from noisecli.streams import Mask

CONTEXT = 4
"""Columns that identify a row besides those that have a role."""

LINES = 2
"""How many lines are shown of each step on the finished file."""

CLONES = 2
"""How many clones are shown of a row."""

ROLES = ("id", "entity", "time")
"""Roles of columns that tell rows apart."""

Places = NDArray[np.int64]

RowKey = tuple[int, int]
"""Number of a file, and row in it."""


@dataclass(frozen=True)
class Told:
    """What is shown of a run."""

    files: tuple[str, ...]
    looked_at: int
    shown: str | None
    context: tuple[str, ...]
    rows: tuple[PreviewRow, ...]
    changed_rows: int
    lines: tuple[RawLine, ...]
    added: tuple[str, ...]
    acted: tuple[str, ...]
    """Steps that changed any of the rows looked at, but for those on the finished file."""
    visible: frozenset[str]
    """Those of them that changed any of the rows shown."""


def tell(recipe: Recipe, root: Path, outcome: Outcome, most: int, space: Path) -> Told:
    """Choose at most so many rows of a run on `root`, and say what became of them."""
    shown = _strongest(outcome)
    steps = next(variant.recipe.steps for variant in recipe.variants if variant.folder == (shown or ""))
    dirt = [step.id for step in steps if isinstance(step.corruption, FileCorruption)]
    truth = pq.read_table(manifests.beside(outcome.output, manifests.COMPANIONS["truth"]))
    truth = truth.filter(pc.is_null(truth["sweep"]) if shown is None else pc.equal(truth["sweep"], shown))
    on_file = pc.fill_null(pc.is_in(truth["step"], pa.array(dirt, pa.string())), False)
    dataset = discover(root, "table", recipe.head.purpose, prepare.reading(recipe)).spooled(space)
    files = [file.relative for file in dataset.struck]
    found = _Found(truth.filter(pc.invert(on_file)), files, [step.id for step in steps], scattering(steps))
    keys = found.choose(most)
    fields = list(dataset.struck[0].table().fields())
    new = [name for step in outcome.manifest.steps if step.sweep == shown for name in step.outgoing or ()]
    added = tuple(name for name in dict.fromkeys(new) if name not in fields)
    looked_at = {entry.path: entry.rows or 0 for entry in outcome.manifest.inputs}
    if added:  # then all rows have something new
        first = [(0, row) for row in range(min(most, looked_at[files[0]]))]
        keys = list(dict.fromkeys([*keys, *first]))[:most]
    context, rows = _context(recipe, fields), found.rows(keys)
    wanted = {*context, *(change.column for row in rows for change in row.changes)}
    clean = _cells(dataset.struck, [name for name in fields if name in wanted], set(keys))
    noisy = {} if dirt or not added else _added(dataset, outcome, shown, added, rows)
    return Told(
        files=tuple(file.name for file in dataset.struck),
        looked_at=sum(looked_at.values()),
        shown=shown,
        context=context,
        rows=tuple(_complete(row, clean, noisy, files) for row in rows),
        changed_rows=len(found.keys),
        lines=tuple(_raw_lines(truth.filter(on_file), dirt)),
        added=added,
        acted=tuple(found.acted),
        visible=frozenset(found.steps_of(keys)),
    )


def scattering(steps: Sequence[PlannedStep]) -> list[str]:
    """Steps that move rows about their file."""
    rows = ((step.id, step.corruption) for step in steps if step.rate > 0)
    return [step for step, op in rows if isinstance(op, RowsCorruption) and op.scatters()]


def _strongest(outcome: Outcome) -> str | None:
    """The combination of a sweep that changes most; of several alike the last."""
    changed: dict[str, int] = {}
    for step in outcome.manifest.steps:
        if step.sweep is not None:
            changed.setdefault(step.sweep, 0)
            changed[step.sweep] += sum(counts["changed"] for counts in step.columns.values())
    return max(reversed(changed), key=lambda name: changed[name], default=None)


def _context(recipe: Recipe, fields: Sequence[str]) -> tuple[str, ...]:
    roles = recipe.head.data.roles
    known = [roles[role] for role in ROLES if role in roles]
    others = [name for name in fields if name not in known]
    return (*known, *others[:CONTEXT])


class _Found:
    """Lines of the truth about rows, and what is to be seen in them."""

    def __init__(self, lines: pa.Table, files: Sequence[str], steps: Sequence[str], scattering: Sequence[str]) -> None:
        self._files = files
        self._scattering = scattering
        file = _numbers(lines["file"], files)
        row = np.asarray(pc.fill_null(lines["row"], -1))
        step, column = _numbers(lines["step"], steps), lines["column"].combine_chunks().dictionary_encode()
        cell = np.asarray(pc.fill_null(column.indices, -1))
        place = np.asarray(pc.fill_null(lines["output_row"], -1))
        itself = (cell < 0) & (step < 0)
        self._moved = np.zeros(len(lines), bool)
        for number in range(len(files)) if scattering else ():
            mine = np.flatnonzero(itself & (file == number))
            self._moved[mine] = moved(place[mine])
        told = ((step >= 0) | self._moved) & ~self._lost(file, row, cell, step, place)
        # A row that moved is to be seen for every step that may have moved it.
        step = np.where(self._moved, len(steps), step)
        self._lines, self._file, self._row = lines, file, row
        pairs, which = np.unique(np.stack([file[told], row[told]]), axis=1, return_inverse=True)
        self.keys: list[RowKey] = [(int(f), int(r)) for f, r in pairs.T]
        units, unit = np.unique(np.stack([step[told], cell[told]]), axis=1, return_inverse=True)
        self._by_unit = np.zeros((len(self.keys), units.shape[1]), bool)
        self._by_unit[which.reshape(-1), unit.reshape(-1)] = True
        self._numbers = np.unique(units[0])
        self._by_step = np.zeros((len(self.keys), len(self._numbers)), bool)
        for i, number in enumerate(self._numbers):
            self._by_step[:, i] = self._by_unit[:, units[0] == number].any(axis=1)
        self._names = [*steps, None]

    @staticmethod
    def _lost(file: Places, row: Places, cell: Places, step: Places, place: Places) -> Mask:
        """Which lines are about cells of rows that are left out altogether: what was done to them is not to be seen."""
        key = file << 40 | row
        whole = cell < 0
        gone = np.setdiff1d(key[whole & (step >= 0) & (place < 0)], key[whole & (place >= 0)])
        return np.asarray(~whole & np.isin(key, gone), dtype=bool)

    @property
    def acted(self) -> list[str]:
        """Steps that did anything."""
        return self._named(self._numbers)

    def choose(self, most: int) -> list[RowKey]:
        """Choose rows in which all steps and columns are seen, if so many can show them."""
        self._chosen = cover([self._by_step, self._by_unit], most)
        return [self.keys[i] for i in self._chosen]

    def steps_of(self, keys: Sequence[RowKey]) -> list[str]:
        """Steps that are seen in some rows."""
        chosen = [i for i, key in enumerate(self.keys) if key in keys]
        return self._named(self._numbers[self._by_step[chosen].any(axis=0)])

    def _named(self, numbers: NDArray[Any]) -> list[str]:
        """Names of steps; of a move those of all steps that move rows."""
        known = [self._names[number] for number in numbers.tolist()]
        return [name for name in known if name is not None] + (list(self._scattering) if None in known else [])

    def rows(self, keys: Sequence[RowKey]) -> list[PreviewRow]:
        """Say what became of some rows, without their cells."""
        wanted = set(keys)
        kept = [i for i, key in enumerate(zip(self._file.tolist(), self._row.tolist(), strict=True)) if key in wanted]
        by_row: dict[RowKey, list[dict[str, Any]]] = {key: [] for key in keys}
        lines = self._lines.take(pa.array(kept, pa.int64())).to_pylist()
        for i, line in zip(kept, lines, strict=True):
            by_row[int(self._file[i]), int(self._row[i])].append({**line, "moved": bool(self._moved[i])})
        return [row for key, told in by_row.items() for row in self._row_lines(key, told)]

    def _row_lines(self, key: RowKey, lines: Sequence[Mapping[str, Any]]) -> Iterator[PreviewRow]:
        """The row, unless only its clones are worth a look, and some clones."""
        bare = PreviewRow(self._files[key[0]], key[1], {}, ())
        cells = [line for line in lines if line["column"] is not None]
        changes = tuple(_change(line) for line in cells if line["output_row"] is None)
        whole = [line for line in lines if line["column"] is None]
        own = next((line for line in whole if line["step"] is None), None)
        gone = next((line for line in whole if line["step"] is not None and line["output_row"] is None), None)
        clones = [line for line in whole if line["step"] is not None and line["output_row"] is not None]
        if own is None and gone is not None:
            yield replace(bare, fate="left out", by=gone["step"])
        elif own is not None and own["moved"]:
            by = self._scattering[0] if len(self._scattering) == 1 else None
            yield replace(bare, changes=changes, fate="moved", by=by, output_row=own["output_row"])
        elif own is not None or not clones:
            yield replace(bare, changes=changes, output_row=None if own is None else own["output_row"])
        for clone in clones[:CLONES]:
            place = clone["output_row"]
            alone = tuple(_change(line) for line in cells if line["output_row"] == place)
            clone_of = replace(bare, changes=changes + alone, fate="clone", by=clone["step"], output_row=place)
            yield replace(clone_of, repeats=own is not None)


def _numbers(names: pa.ChunkedArray, known: Sequence[str]) -> Places:
    """The place of each name among the known ones; -1 for none."""
    return np.asarray(pc.fill_null(pc.index_in(names, pa.array(known, pa.string())), -1)).astype(np.int64)


def _change(line: Mapping[str, Any]) -> Change:
    return Change(line["column"], line["step"], line["before"], line["after"])


def _cells(
    files: Sequence[InputFile], columns: Sequence[str], wanted: set[RowKey]
) -> dict[RowKey, dict[str, str | None]]:
    """Read some columns of some rows of some files."""
    found: dict[RowKey, dict[str, str | None]] = {}
    for number, file in enumerate(files):
        rows = np.array(sorted(row for which, row in wanted if which == number), np.int64)
        if not len(rows):
            continue
        table = file.table()
        ours = [name for name in columns if name in table.fields()]
        for _, slab in table.scan(ours):
            here = rows[(rows >= slab.first_row) & (rows < slab.first_row + slab.rows)]
            index = pa.array(here - slab.first_row)
            cells = {name: as_written(slab.cells[name].take(index)).to_pylist() for name in ours}
            for i, row in enumerate(here.tolist()):
                found[number, row] = {name: values[i] for name, values in cells.items()}
    return found


def _added(
    dataset: Dataset, outcome: Outcome, shown: str | None, added: Sequence[str], rows: Sequence[PreviewRow]
) -> dict[RowKey, dict[str, str | None]]:
    """Read the cells that only the copy has, by file and row of the copy."""
    paths = {
        entry.input: manifests.place(outcome.output, entry.path)
        for entry in outcome.manifest.outputs
        if shown is None or entry.path.startswith(f"{shown}/")
    }
    numbers = {file.relative: number for number, file in enumerate(dataset.struck)}
    copies = [InputFile(paths[f.relative], f.relative, False, f.reading) for f in dataset.struck]
    wanted = {(numbers[row.file], _place(row)) for row in rows if row.fate != "left out"}
    return _cells(copies, added, wanted)


def _place(row: PreviewRow) -> int:
    return row.row if row.output_row is None else row.output_row


def _complete(
    row: PreviewRow,
    clean: Mapping[RowKey, Mapping[str, str | None]],
    noisy: Mapping[RowKey, Mapping[str, str | None]],
    files: Sequence[str],
) -> PreviewRow:
    number = files.index(row.file)
    added = None if row.fate == "left out" else noisy.get((number, _place(row)))
    return replace(row, cells=clean.get((number, row.row), {}), added=added)


def _raw_lines(lines: pa.Table, steps: Sequence[str]) -> Iterator[RawLine]:
    """Some lines of each step on the finished file."""
    for step in steps:
        mine = lines.filter(pc.equal(lines["step"], step)).slice(0, LINES)
        for line in mine.to_pylist():
            yield RawLine(step, line["output_row"], line["column"], line["before"], line["after"])
