"""Whether a truth file tells the truth: every line of it holds, and every difference is in it.

What the lines say is applied to the clean cells; the noisy cells have to be what comes out. What became of a cell whose
row was left out later is held against the clean side alone, since the noisy side has no trace of it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.celltext import as_written, to_mask
from noisecli.columns import Column, to_text
from noisecli.compare.align import link, truth_lines
from noisecli.compare.cells import differing
from noisecli.compare.rows import Cells, Link, Numbers, Store, cut, pieces
from noisecli.compare.sides import Pair, Sides
from noisecli.compare.verdict import Verdict
from noisecli.corruption import FileCorruption
from noisecli.engine.edits import differs
from noisecli.streams import Mask

NOWHERE = "row {} is told of, which is not there"

SAID = ["row", "output_row", "column", "step", "before", "after", "drawn"]


class TableCheck:
    """Checks what the truth says of one file of a copy."""

    def __init__(self, sides: Sides, pair: Pair, columns: Mapping[str, Column], verdict: Verdict) -> None:
        self._sides, self._pair, self._columns, self._verdict = sides, pair, columns, verdict
        ops = sides.ops()
        self._dirty = pa.array([step for step, op in ops.items() if issubclass(op, FileCorruption)], pa.string())
        self._place = "" if pair.name == "." else f"{pair.name}: "
        manifest = sides.manifest
        assert manifest is not None
        self._steps = {s.id: i for i, s in enumerate(manifest.steps) if s.sweep == sides.sweep}
        self._spoilt, self._all_spoilt = self._dirt()
        before, after = pair.clean.table().fields(), pair.noisy.table().fields()
        self._widened = {name for name in columns if before[name] != after[name]}

    def run(self, rows: tuple[int, int], space: Path) -> None:
        """Read both sides and the lines.

        Args:
            rows: clean and noisy ones.
            space: a folder for what is put aside.
        """
        found = link(self._sides, self._pair, rows, None, space)
        for lie in found.lies:
            self._lie(lie)
        if not found.how:
            if not self._sides.row_steps and not self._sides.is_dirty:
                self._lie(f"{rows[0]:,} rows became {rows[1]:,}, and no line says so")
            self._verdict.notes.append(f"{self._place}not checked against the truth: {found.why}")
            return
        alone = None
        if found.how == "truth":
            assert found.origin is not None
            alone = self._alone()
            self._check_alone(alone, found.origin, self._check_rows(rows))
        lines = _Lines(self._cell_lines(moved=found.how == "truth"))
        if found.origin is None:
            self._in_place(found, lines, space)
        else:
            self._moved(found, lines, alone, space)

    def _in_place(self, found: Link, lines: "_Lines", space: Path) -> None:
        tables = self._pair.clean.table(), self._pair.noisy.table()
        for piece in pieces(*tables, list(self._columns), found, space):
            assert piece.before is not None
            assert piece.noisy is not None
            told = self._apply(lines.take(piece.first + piece.rows), piece.before, piece.first)
            self._hold(piece.before, told, piece.noisy, np.arange(piece.first, piece.first + piece.rows), None)
        self._left(lines)

    def _moved(self, found: Link, lines: "_Lines", alone: pa.Table | None, space: Path) -> None:
        """What lines make of clean cells is put aside, and fetched for each noisy row."""
        assert found.origin is not None
        names = list(self._columns)
        with Store(space) as said, Store(space) as clean:
            for first, count, cells in cut(self._pair.clean.table(), names):
                told = self._apply(lines.take(first + count), cells, first)
                clean.add(cells, count)
                said.add(_packed(told, names, count), count)
            self._left(lines)
            for first, count, cells in cut(self._pair.noisy.table(), names):
                origin = np.asarray(found.origin[first : first + count])
                told = _unpacked(said.fetch(_fields(names), origin), names)
                # Rows of the copy are counted without lines that fit no header.
                places = origin if alone is None else np.arange(first, first + count)
                self._hold(clean.fetch(names, origin), told, cells, places, alone)

    def _lie(self, said: str) -> None:
        self._verdict.lie(self._place + said)

    def _lies(self, places: Iterable[int], say: Callable[[int], str]) -> None:
        self._verdict.lie_each(places, lambda place: self._place + say(place))

    def _dirt(self) -> tuple[Numbers, bool]:
        """Rows of the copy whose text steps damaged, and whether they damaged the whole file."""
        rows: list[Numbers] = [np.zeros(0, np.int64)]
        whole = False
        for lines in truth_lines(self._sides, self._pair, ["output_row", "step"]) if len(self._dirty) else ():
            mine = lines.filter(pc.field("step").isin(self._dirty))
            self._verdict.unchecked += len(mine)
            whole = whole or mine["output_row"].null_count > 0
            rows.append(np.asarray(pc.drop_null(mine["output_row"]), np.int64))
        if whole:
            self._verdict.notes.append(f"{self._place}steps damaged the text of the whole file")
        return np.unique(np.concatenate(rows)), whole

    def _cell_lines(self, moved: bool) -> Iterator[pa.Table]:
        """Lines about cells of rows of the input; those of steps and columns that are not there are lies.

        So are lines about whole rows and rows of the copy, unless rows have moved.
        """
        for lines in truth_lines(self._sides, self._pair, SAID):
            self._verdict.lines += len(lines)
            steps = pc.unique(lines["step"].drop_null()).to_pylist()
            for name in steps:
                if name not in self._steps:
                    self._lie(f"step {name!r} is told of, which is none of the run")
            lines = lines.filter(~pc.field("step").isin(self._dirty))
            for name in pc.unique(lines["column"].drop_null()).to_pylist():
                if name not in self._columns:
                    self._lie(f"column {name!r} is told of, which is not on both sides")
            about_cells = pc.field("column").is_valid() & pc.field("output_row").is_null()
            others = lines.filter(~about_cells)["row"].to_pylist() if not moved else ()
            self._lies(others, "row {} is told to have moved, and no row has".format)
            cells = lines.filter(about_cells)
            self._lies(range(cells["row"].null_count), lambda _: "a line about a cell names no row")
            yield cells.filter(pc.field("row").is_valid())

    def _alone(self) -> pa.Table:
        """Lines about cells of clones alone, by row of the copy."""
        found = [
            lines.filter(pc.field("column").is_valid() & pc.field("output_row").is_valid())
            for lines in truth_lines(self._sides, self._pair, SAID)
        ]
        lines = pa.concat_tables(found) if found else pa.table({name: pa.array([], pa.string()) for name in SAID})
        if not found:
            lines = lines.set_column(1, "output_row", pa.array([], pa.int64()))
        return lines.filter(~pc.field("step").isin(self._dirty)).sort_by("output_row")

    def _left(self, lines: "_Lines") -> None:
        for rest in lines.rest():
            self._lies(rest["row"].to_pylist(), NOWHERE.format)

    def _check_rows(self, rows: tuple[int, int]) -> Mask:
        """Each clean row comes out itself, once, or is left out; return which rows of the copy are clones."""
        stay, go, clones = np.zeros(rows[0], np.int16), np.zeros(rows[0], np.int16), np.zeros(rows[1], bool)
        for lines in truth_lines(self._sides, self._pair, SAID):
            whole = lines.filter(pc.field("column").is_null() & ~pc.field("step").isin(self._dirty))
            out, made = pc.field("output_row").is_valid(), pc.field("step").is_valid()
            odd = whole.filter(pc.field("row").is_null() | pc.field("before").is_valid() | pc.field("after").is_valid())
            self._lies(odd["row"].to_pylist(), "a line about row {} is one about no row, or about a cell".format)
            for some, times in ((whole.filter(out & ~made), stay), (whole.filter(~out), go)):
                at = np.asarray(some["row"].drop_null(), np.int64)
                inside = (at >= 0) & (at < rows[0])
                self._lies(at[~inside].tolist(), NOWHERE.format)
                np.add.at(times, at[inside], 1)
            at = np.asarray(whole.filter(out & made)["output_row"], np.int64)
            clones[at[(at >= 0) & (at < rows[1])]] = True
        self._lies(np.flatnonzero(stay + go == 0).tolist(), "row {} is told neither to stay nor to go".format)
        # Of several steps on rows a later one may leave out what an earlier one has cloned.
        twice = (stay > 1) | (stay + go > 1) if self._sides.row_steps == 1 else stay > 1
        self._lies(np.flatnonzero(twice).tolist(), "row {} is told of several times".format)
        return clones

    def _check_alone(self, alone: pa.Table, origin: Numbers, clones: Mask) -> None:
        """Lines about cells of a row of the copy alone are about a clone, and name the row that it comes from."""
        places = np.asarray(alone["output_row"], np.int64)
        known = (places >= 0) & (places < len(origin))
        sources = pc.fill_null(alone["row"], -1).to_numpy()[known]
        known[known] = clones[places[known]] & (origin[places[known]] == sources)
        self._lies(places[~known].tolist(), "a line about a cell of row {} of the copy, which is no such clone".format)

    def _apply(self, lines: pa.Table, clean: Cells, first: int) -> dict[str, tuple[Mask, pa.Array]]:
        """Hold lines against clean cells: which cells are told of, by column, and what they are said to become."""
        told = {}
        for name in pc.unique(lines["column"]).to_pylist() if len(lines) else ():
            if name in clean:
                mine = lines.filter(pc.field("column") == name)
                texts = self._texts(name, clean[name])
                told[name] = self._chained(name, mine, np.asarray(mine["row"]) - first, texts, first, "row")
        return told

    def _chained(
        self, name: str, lines: pa.Table, at: Numbers, texts: pa.Array, first: int, what: str
    ) -> tuple[Mask, pa.Array]:
        """Follow the lines of a column from cell to cell; `at` says which of the texts each is about."""
        before, after = (lines[side].combine_chunks().cast(pa.large_string()) for side in ("before", "after"))
        fits = (at >= 0) & (at < len(texts))
        self._lies((first + at[~fits]).tolist(), lambda row: f"{what} {row}, column {name!r}: a line out of place")
        order = np.diff(at, prepend=-1)
        again = order == 0
        steps = np.array([self._steps.get(step, -1) for step in lines["step"].to_pylist()], np.int64)
        start = pc.if_else(
            pa.array(again),
            after.take(pa.array(np.maximum(np.arange(len(at)) - 1, 0))),
            texts.take(pa.array(np.clip(at, 0, max(0, len(texts) - 1)))),
        )
        drawn = to_mask(pc.is_valid(lines["drawn"].combine_chunks()))
        wrong = differs(before, start) & fits
        idle = ~differs(before, after) & ~drawn
        backward = again & (np.diff(steps, prepend=-1) <= 0) | (order < 0)

        def say(i: int) -> str:
            where = f"{what} {first + at[i]}, column {name!r}, step {lines['step'][i].as_py()!r}"
            if wrong[i]:
                return f"{where}: said to have been {_shown(before[i])}, and was {_shown(start[i])}"
            return f"{where}: " + (f"said to have stayed {_shown(before[i])}" if idle[i] else "a line out of order")

        self._lies(np.flatnonzero(wrong | idle | backward).tolist(), say)
        last = np.append(~again[1:], True) & fits if len(at) else fits
        told = np.zeros(len(texts), bool)
        told[at[last]] = True
        found = np.zeros(len(texts), np.int64)
        found[at[last]] = np.flatnonzero(last)
        return told, after.take(pa.array(found, mask=~told))

    def _hold(
        self,
        clean: Cells,
        told: Mapping[str, tuple[Mask, pa.Array]],
        noisy: Cells,
        rows: Numbers,
        alone: pa.Table | None,
    ) -> None:
        """Hold noisy cells against what the lines made of the clean ones."""
        spoilt = np.isin(rows, self._spoilt) | self._all_spoilt
        if alone is not None and len(alone):
            alone = alone.filter((pc.field("output_row") >= int(rows[0])) & (pc.field("output_row") <= int(rows[-1])))
        for name, column in self._columns.items():
            nothing = (np.zeros(len(rows), bool), pa.nulls(len(rows), pa.large_string()))
            mask, said = told.get(name, nothing)
            if alone is not None and len(alone):
                mine = alone.filter(pc.field("column") == name)
                if len(mine):
                    start = pc.if_else(pa.array(mask), said, self._texts(name, clean[name]))
                    at = np.asarray(mine["output_row"]) - rows[0]
                    more, became = self._chained(name, mine, at, start, int(rows[0]), "row of the copy")
                    said = pc.if_else(pa.array(more), became, said)
                    mask = mask | more
            untold = differing(clean[name], noisy[name], column) & ~mask & ~spoilt
            self._lies(np.flatnonzero(untold).tolist(), partial(_untold, name, clean[name], noisy[name], rows))
            at = np.flatnonzero(mask & ~spoilt)
            if len(at):
                became, is_now = said.take(pa.array(at)), self._texts(name, noisy[name].take(pa.array(at)))
                is_now = pc.replace_substring_regex(is_now, "^(-?)Infinity$", r"\1inf")  # JSON's, and ours
                wrong = np.flatnonzero(differs(became, is_now)).tolist()
                self._lies(wrong, partial(_misled, name, became, is_now, rows[at]))

    def _texts(self, name: str, cells: pa.Array) -> pa.Array:
        return (to_text(cells) if name in self._widened else as_written(cells)).cast(pa.large_string())


class _Lines:
    """Lines in the order of their rows, taken as far as they are needed."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self._tables = iter(tables)
        self._waiting = next(self._tables, None)

    def take(self, stop: int) -> pa.Table:
        """Return the lines that follow, up to the first about this row or a later one."""
        found = []
        while self._waiting is not None:
            later = np.flatnonzero(np.asarray(self._waiting["row"]) >= stop)
            cutoff = int(later[0]) if len(later) else len(self._waiting)
            found.append(self._waiting.slice(0, cutoff))
            if len(later):
                self._waiting = self._waiting.slice(cutoff)
                break
            self._waiting = next(self._tables, None)
        return pa.concat_tables(found).combine_chunks() if found else pa.table({name: [] for name in SAID})

    def rest(self) -> Iterator[pa.Table]:
        """Yield all lines that have not been taken."""
        if self._waiting is not None:
            yield self._waiting
        yield from self._tables


def _fields(names: Sequence[str]) -> list[str]:
    return [f"{kind}{i}" for i in range(len(names)) for kind in ("told", "said")]


def _packed(told: Mapping[str, tuple[Mask, pa.Array]], names: Sequence[str], rows: int) -> Cells:
    nothing = (np.zeros(rows, bool), pa.nulls(rows, pa.large_string()))
    flat = [array for name in names for array in told.get(name, nothing)]
    return {field: pa.array(array) for field, array in zip(_fields(names), flat, strict=True)}


def _unpacked(cells: Cells, names: Sequence[str]) -> dict[str, tuple[Mask, pa.Array]]:
    return {name: (to_mask(cells[f"told{i}"]), cells[f"said{i}"]) for i, name in enumerate(names)}


def _untold(name: str, clean: pa.Array, noisy: pa.Array, rows: Numbers, i: int) -> str:
    before, after = (_shown(as_written(side.slice(i, 1))[0]) for side in (clean, noisy))
    return f"row {rows[i]} of the copy, column {name!r}: {before} became {after}, and no line says so"


def _misled(name: str, became: pa.Array, is_now: pa.Array, rows: Numbers, i: int) -> str:
    where = f"row {rows[i]} of the copy, column {name!r}"
    return f"{where}: said to have become {_shown(became[i])}, and is {_shown(is_now[i])}"


def _shown(cell: pa.Scalar) -> str:
    text = cell.as_py()
    return "missing" if text is None else repr(text if len(text) <= 80 else text[:79] + "…")
