"""Clean and noisy data side by side: everything that can be seen of both, in one streaming pass and bounded memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from noisecli.columns import MOMENT, NUMBER, Kind
from noisecli.compare import measures
from noisecli.compare.align import link
from noisecli.compare.cells import Gathered, differing, side_of
from noisecli.compare.images import compare_images
from noisecli.compare.look import FEW, look
from noisecli.compare.model import (
    CategoryCount,
    ColumnComparison,
    Correlation,
    Drift,
    ImagesComparison,
    Missingness,
    TableComparison,
)
from noisecli.compare.rows import Link, Piece, pieces
from noisecli.compare.sampling import RowSample, correlations, keys_of, size_for, sorted_numbers
from noisecli.compare.sides import Pair, Sides, open_sides, struck
from noisecli.compare.strips import Strips
from noisecli.compare.texts import Texts
from noisecli.streams import Floats, Mask

STRETCHES = 60
"""Into so many stretches of rows missing cells are counted."""

OTHERS = "…"
"""What all other values are called."""

MOST_CORRELATED = 60
"""Columns whose correlations are found, the first ones."""


def compare(
    clean: str | Path, noisy: str | Path, *, key: str | None = None, copy: int | None = None
) -> TableComparison | ImagesComparison:
    """Compare clean data with a noisy copy.

    Figures and counts are of all rows. Numbers, drift and correlations are of all rows, too, up to two million numbers
    a side; beyond, of a sample of rows. What cannot stay in memory is put aside in the system's temporary folder:
    nothing, where rows kept their places; else the clean cells.

    Args:
        clean: a file or a folder.
        noisy: an OUTPUT of noisecli, a folder of it (of one combination of a sweep, or a copy), or any other data.
        key: a column that tells the clean rows apart; None: the truth file or the position tells what belongs together.
        copy: which copy; None: the first noisy one.

    Raises:
        NoiseError: what is there cannot be read, or not compared.
    """
    with TemporaryDirectory(prefix="noisecli-") as space:
        return compare_sides(open_sides(Path(clean), Path(noisy), copy, Path(space)), key, Path(space))


def compare_sides(sides: Sides, key: str | None, space: Path) -> TableComparison | ImagesComparison:
    """Compare what is open already, as `compare` does; `space` is a folder for what is put aside."""
    return compare_images(sides) if sides.target == "images" else _Comparison(sides, key, space).run()


class _Comparison:
    """Gathers everything about some tables."""

    def __init__(self, sides: Sides, key: str | None, space: Path) -> None:
        self._sides, self._key, self._space = sides, key, space
        self._pairs = struck(sides.pairs)
        self._looked = looked = look(sides, self._pairs)
        self._names = list(looked.columns)
        stored = {name: side_of(name, c.kind, looked.storage[name], c.format) for name, c in looked.columns.items()}
        both = (looked.columns, stored)
        self._sides_of = tuple({n: Gathered(side[n], looked.known[n]) for n in self._names} for side in both)
        numeric = NUMBER | MOMENT
        self._numeric = [name for name in self._names if looked.columns[name].kind in numeric]
        size = size_for(len(self._numeric))
        self._samples = (RowSample(len(self._numeric), size), RowSample(len(self._numeric), size))
        self._rows = tuple(sum(rows[side] for rows in looked.rows.values()) for side in (0, 1))
        stretches = max(1, min(STRETCHES, *self._rows))
        self._lost = tuple(np.zeros((stretches, len(self._names)), np.int64) for _ in range(2))
        self._changed = dict.fromkeys(self._names, 0)
        self._strips = Strips(sides, looked.columns, stored)
        texts = [name for name in self._names if looked.columns[name].kind is Kind.TEXT]
        self._texts = Texts([name for name in texts if len(looked.known[name] or range(FEW + 1)) > FEW])

    def run(self) -> TableComparison:
        """Read both sides and sum them up."""
        hows, whys, before = [], [], [0, 0]
        for number, pair in enumerate(self._pairs):
            found = link(self._sides, pair, self._looked.rows[pair.name], self._key, self._space)
            if found.lies:
                found = Link("", why=f"the truth file does not fit {pair.noisy.name}: {found.lies[0]}")
            hows.append(found.how)
            whys += [found.why] if found.why else []
            self._take(number, pair, found, before)
            before = [a + b for a, b in zip(before, self._looked.rows[pair.name], strict=True)]
        aligned = "" if "" in hows else " and ".join(dict.fromkeys(hows))
        return self._result(aligned, whys[0] if whys else "")

    def _take(self, number: int, pair: Pair, found: Link, before: Sequence[int]) -> None:
        for piece in pieces(pair.clean.table(), pair.noisy.table(), self._names, found, self._space):
            rows = np.arange(piece.first, piece.first + piece.rows)
            origin = rows if piece.origin is None else piece.origin
            for side, cells, places in ((0, piece.clean, rows), (1, piece.noisy, origin)):
                if cells is not None:
                    lost, values = self._add(side, cells)
                    self._samples[side].add(keys_of(number, places, rows), values)
                    stretch = (before[side] + rows) * len(self._lost[side]) // max(1, self._rows[side])
                    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
                    self._lost[side][stretch[starts]] += np.add.reduceat(lost.astype(np.int64), starts, axis=1).T
            if piece.before is not None and piece.noisy is not None:
                self._differences(number, pair, piece)

    def _add(self, side: int, cells: Mapping[str, pa.Array]) -> tuple[Mask, Floats]:
        """Take the cells of some rows: which are missing, and their numbers, a row for each column."""
        lost, numbers = [], []
        for name in self._names:
            absent, found = self._sides_of[side][name].add(cells[name])
            lost.append(absent)
            if found is not None:
                numbers.append(found)
        return np.stack(lost), np.stack(numbers) if numbers else np.zeros((0, lost[0].size))

    def _differences(self, number: int, pair: Pair, piece: Piece) -> None:
        assert piece.before is not None
        assert piece.noisy is not None
        assert piece.origin is not None
        known = piece.origin >= 0
        masks = {}
        for name, column in self._looked.columns.items():
            masks[name] = differing(piece.before[name], piece.noisy[name], column) & known
            self._changed[name] += int(np.count_nonzero(masks[name]))
        self._strips.add(pair, piece, masks)
        self._texts.add(number, pair, piece, masks)

    def _result(self, aligned: str, why: str) -> TableComparison:
        limit = min(sample.settled() for sample in self._samples)
        values = tuple(sample.up_to(limit) for sample in self._samples)
        whole = all(side.shape[1] == rows for side, rows in zip(values, self._rows, strict=True))
        sampled = None if whole or not self._numeric else values[0].shape[1]
        columns = tuple(self._column(name, values, sampled is not None, aligned) for name in self._names)
        some = [n for n in self._numeric if self._looked.columns[n].kind in NUMBER][:MOST_CORRELATED]
        at = [self._numeric.index(name) for name in some]
        together = None
        if len(some) > 1:
            together = Correlation(tuple(some), correlations(values[0][at]), correlations(values[1][at]))
        return TableComparison(
            rows=(self._rows[0], self._rows[1]),
            sampled=sampled,
            aligned=aligned,
            unaligned=why,
            columns=columns,
            missingness=self._missingness(),
            correlation=together,
            strips=self._strips.chosen(self._changed) if aligned else (),
            texts=self._texts.chosen(self._sides) if aligned else (),
            unread=self._looked.unread or None,
        )

    def _column(self, name: str, values: Sequence[Floats], of_sample: bool, aligned: str) -> ColumnComparison:
        before, after = (side[name] for side in self._sides_of)
        numbers = None
        if name in self._numeric:
            first, second = (sorted_numbers(side[self._numeric.index(name)]) for side in values)
            numbers = (first, second)
        return ColumnComparison(
            name=name,
            kind=before.column.kind,
            clean=before.figures(),
            noisy=after.figures(),
            drift=_drift(numbers, before, after, of_sample),
            changed=self._changed[name] if aligned else None,
            numbers=numbers,
            categories=_counted(before, after),
        )

    def _missingness(self) -> Missingness:
        shares = []
        for lost, rows in zip(self._lost, self._rows, strict=True):
            bounds = -(-np.arange(len(lost) + 1) * rows // len(lost))
            shares.append(lost / np.maximum(1, np.diff(bounds))[:, np.newaxis])
        return Missingness(tuple(self._names), shares[0], shares[1])


def _drift(numbers: tuple[Floats, Floats] | None, before: Gathered, after: Gathered, of_sample: bool) -> Drift:
    if numbers is not None and all(map(len, numbers)):
        counts = measures.decile_counts(*numbers)
        ks, earth = measures.kolmogorov_smirnov(*numbers), measures.wasserstein(*numbers)
        return Drift(ks, earth, measures.psi(*counts), measures.jensen_shannon(*counts), of_sample)
    if before.known is None or numbers is not None:
        return Drift()
    first, second = (
        np.append(side.known_counts, side.rows - side.missing - side.known_counts.sum()) for side in (before, after)
    )
    return Drift(psi=measures.psi(first, second), jensen_shannon=measures.jensen_shannon(first, second))


def _counted(before: Gathered, after: Gathered) -> tuple[CategoryCount, ...] | None:
    """The commonest values of either side, new ones too where they can be told, and all others together."""
    if before.known is None:
        return None
    counts = [dict(zip(side.known or (), side.known_counts.tolist(), strict=True)) for side in (before, after)]
    new = {value: count for value, count in after.values.counts.items() if value not in counts[1]}
    counts[1] |= new
    names = sorted({**counts[0], **new}, key=lambda name: (-max(side.get(name, 0) for side in counts), name))
    told = [CategoryCount(name, counts[0].get(name, 0), counts[1].get(name, 0)) for name in names[:FEW]]
    rest = [
        side.rows - side.missing - sum(count)
        for side, count in zip((before, after), ([c.clean for c in told], [c.noisy for c in told]), strict=True)
    ]
    return (*told, CategoryCount(OTHERS, rest[0], rest[1])) if any(rest) else tuple(told)
