"""Stretches of series that hold changes, for pictures: found on the way, a few hundred rows of each column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noisecli.columns import MOMENT, NUMBER, Column
from noisecli.compare.cells import numbers_of
from noisecli.compare.model import Strip
from noisecli.compare.rows import PIECE, Numbers, Piece
from noisecli.compare.sides import Pair, Sides
from noisecli.errors import DataProblem
from noisecli.streams import Floats, Mask

WIDTH = 600
"""Rows of a strip at the most."""

ENOUGH = WIDTH // 2
"""More changes than these make a stretch no better: what is around a fault should be seen, too."""

MOST_STRIPS = 6


@dataclass(frozen=True)
class _Found:
    """The best stretch of a column so far."""

    score: int
    pair: Pair
    rows: Numbers
    entity: str | None
    places: Floats
    timed: bool
    clean: Floats
    noisy: Floats


class Strips:
    """Looks for a stretch of each numeric column that holds changes, of one entity where the recipe names entities."""

    def __init__(self, sides: Sides, clean: Mapping[str, Column], noisy: Mapping[str, Column]) -> None:
        self._sides = sides
        self._clean, self._noisy = clean, noisy
        roles = sides.data.roles
        self._names = [n for n, column in clean.items() if column.kind in NUMBER and n not in roles.values()]
        time, entity = roles.get("time"), roles.get("entity")
        self._time = time if time is not None and time in clean and clean[time].kind in MOMENT else None
        self._entity = entity if entity is not None and entity in clean else None
        self._best: dict[str, _Found] = {}

    def add(self, pair: Pair, piece: Piece, masks: Mapping[str, Mask]) -> None:
        """Look at some rows; where they do not stand in their order they are no series."""
        assert piece.origin is not None
        steps = np.diff(piece.origin[piece.origin >= 0])
        if (steps < 0).any():
            return
        rows = np.flatnonzero((piece.origin >= 0) & (np.diff(piece.origin, prepend=-2) != 0))
        for name in self._names:
            best = self._best[name].score if name in self._best else 0
            if best < min(ENOUGH, int(np.count_nonzero(masks[name][rows]))):
                found = self._stretch(name, pair, piece, rows, masks[name])
                if found is not None and found.score > best:
                    self._best[name] = found

    def _stretch(self, name: str, pair: Pair, piece: Piece, rows: Numbers, changed: Mask) -> _Found | None:
        assert piece.before is not None
        assert piece.noisy is not None
        assert piece.origin is not None
        entity = None
        if self._entity is not None:
            encoded = piece.before[self._entity].dictionary_encode()
            codes = np.asarray(pc.fill_null(encoded.indices, -1))[rows]
            struck = codes[changed[rows]]
            if not (struck >= 0).any():
                return None
            most = int(np.argmax(np.bincount(struck[struck >= 0])))
            rows, entity = rows[codes == most], str(encoded.dictionary[most].as_py())
        mine, score = _window(rows, changed)
        wanted = pa.array(mine)
        clean = numbers_of(self._clean[name], piece.before[name].take(wanted))
        noisy = numbers_of(self._noisy[name], piece.noisy[name].take(wanted))
        origin = piece.origin[mine]
        places, timed = origin.astype(np.float64), False
        if self._time is not None:
            times = numbers_of(self._clean[self._time], piece.before[self._time].take(wanted))
            if np.isfinite(times).all():
                places, timed = times, True
        return _Found(score, pair, origin, entity, places, timed, clean, noisy)

    def chosen(self, changed: Mapping[str, int]) -> tuple[Strip, ...]:
        """Return strips of the columns with the most changes, with the faults that last in them."""
        names = sorted(self._best, key=lambda name: (-changed[name], self._names.index(name)))[:MOST_STRIPS]
        faults = self._faults(names)
        return tuple(
            Strip(name, f.entity, f.places, f.timed, f.clean, f.noisy, tuple(faults[name]))
            for name, f in ((name, self._best[name]) for name in names)
        )

    def _faults(self, names: Sequence[str]) -> dict[str, list[tuple[float, float, str]]]:
        found: dict[str, list[tuple[float, float, str]]] = {name: [] for name in names}
        path = self._sides.intervals
        if path is None or not names:
            return found
        columns = ["sweep", "copy", "file", "entity", "column", "step", "first_row", "last_row"]
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(PIECE, columns=columns):
                    lines = pa.Table.from_batches([batch]).filter(pc.is_in(pc.field("column"), pa.array(names)))
                    for line in lines.filter(pc.field("copy") == self._sides.copy).to_pylist():
                        found[line["column"]] += self._inside(line, self._best[line["column"]])
        except (pa.ArrowException, OSError) as error:
            if getattr(error, "errno", None):
                raise
            raise DataProblem(f"{path}: is no file of intervals: {' '.join(str(error).split())}") from None
        return {name: sorted(faults) for name, faults in found.items()}

    def _inside(self, line: Mapping[str, Any], strip: _Found) -> list[tuple[float, float, str]]:
        """The part of a fault that lies in a strip, if one does."""
        if (line["sweep"], line["file"], line["entity"]) != (self._sides.sweep, strip.pair.name, strip.entity):
            return []
        inside = np.flatnonzero((strip.rows >= line["first_row"]) & (strip.rows <= line["last_row"]))
        if len(inside) == 0:
            return []
        return [(float(strip.places[inside[0]]), float(strip.places[inside[-1]]), str(line["step"]))]


def _window(rows: Numbers, changed: Mask) -> tuple[Numbers, int]:
    """The rows of the first stretch that holds enough changes, or the most, with these in its middle; and how many."""
    if len(rows) <= WIDTH:
        return rows, min(ENOUGH, int(np.count_nonzero(changed[rows])))
    sums = np.concatenate([[0], np.cumsum(changed[rows])])
    held = np.minimum(ENOUGH, sums[WIDTH:] - sums[:-WIDTH])
    start = int(np.argmax(held))
    score = int(held[start])
    middle = start + int(np.mean(np.flatnonzero(changed[rows[start : start + WIDTH]])))
    start = min(max(0, middle - WIDTH // 2), len(rows) - WIDTH)
    return rows[start : start + WIDTH], score
