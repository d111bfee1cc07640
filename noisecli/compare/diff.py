"""What really differs between clean and noisy data, cell by cell or image by image, whoever made the noise."""

import filecmp
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from noisecli.celltext import as_written
from noisecli.columns import MOMENT, NUMBER, Column
from noisecli.compare.align import link
from noisecli.compare.cells import differing, equal_numbers
from noisecli.compare.images import look_at
from noisecli.compare.look import look
from noisecli.compare.rows import ADDED, PIECE, Link, Numbers, Piece, missing, pieces
from noisecli.compare.sides import Pair, Sides, open_sides
from noisecli.compare.told import TableCheck
from noisecli.compare.verdict import Verdict, check_image, check_lines
from noisecli.run.dataset import format_of
from noisecli.streams import Mask


@dataclass
class ColumnDifferences:
    """What differs in one column, over all rows that were compared."""

    name: str
    compared: int = 0
    """Cells of rows that belong together."""
    differing: int = 0
    now_missing: int = 0
    """Of these, how many are missing only on the noisy side."""
    no_longer_missing: int = 0
    respelt: int = 0
    """Of these, how many are the same number or time, spelt in another way: 1.0 and 1.00."""


@dataclass
class RowDifferences:
    """What became of rows."""

    clean: int = 0
    noisy: int = 0
    added: int = 0
    """Noisy rows that come from no clean one, or from one from which an earlier row comes already."""
    removed: int = 0
    """Clean rows from which none comes."""
    misfits: int = 0
    """Rows of either side that do not fit the header: all their cells count as missing."""
    moved: int = 0
    """Rows that follow another row than on the clean side, those on one side only left aside."""


@dataclass(frozen=True)
class CellDifference:
    """A cell that differs."""

    file: str
    row: int
    """Of the clean file, from 0."""
    noisy_row: int
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ImageDifference:
    """An image whose files differ."""

    path: str
    how: str
    """ "pixels", "size", "metadata"; or by the manifest "class", "clone", or "unreadable": a step damaged the file."""
    psnr: float | None = None
    """In dB; None where the sizes differ, the pixels are equal, or there are none to be read."""
    ssim: float | None = None
    sizes: tuple[str, str] | None = None
    classes: tuple[str, str] | None = None


@dataclass
class Differences:
    """All that differs."""

    target: str
    aligned: str = ""
    """How rows were found to belong together, as in `TableComparison`."""
    unaligned: str = ""
    rows: RowDifferences | None = None
    columns: list[ColumnDifferences] = field(default_factory=list)
    cells: list[CellDifference] = field(default_factory=list)
    """The first ones."""
    images: list[ImageDifference] = field(default_factory=list)
    """All of them."""
    compared: int = 0
    """Files of the target on both sides."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Columns that were not compared, and why."""
    missing: Sequence[str] = ()
    """Files of the clean side only."""
    added: Sequence[str] = ()
    """Files of the noisy side only."""
    others: list[str] = field(default_factory=list)
    """Files of another kind whose bytes differ."""
    only_bytes: list[str] = field(default_factory=list)
    """Tables that have other bytes and equal cells."""
    strange: Sequence[str] = ()
    """Clean files that are not the input that the manifest speaks of: nothing it says is held against them."""
    swapped: bool = False
    """Whether the clean side is a copy of the noisy one, by its manifest."""
    truth: Verdict | None = None
    """Whether the truth file tells the truth; None where there is none."""

    @property
    def equal(self) -> bool:
        """Whether nothing at all differs."""
        lists = (self.images, self.unread, self.missing, self.added, self.others, self.only_bytes)
        rows = self.rows is not None and (self.rows.added or self.rows.removed or self.rows.moved or self.unaligned)
        return not rows and not any(lists) and not any(column.differing for column in self.columns)


def diff(
    clean: str | Path,
    noisy: str | Path,
    *,
    key: str | None = None,
    copy: int | None = None,
    columns: Sequence[str] | None = None,
    limit: int = 20,
) -> Differences:
    """Say what differs between clean data and a noisy copy, and whether a truth file beside the copy tells it all.

    Cells of text files are compared by what they say, without quotes and padding, and missing ones as missing however
    they are spelt; typed cells by their values. A text file and a typed one can be compared, too: then by value.

    Args:
        clean, noisy, key, copy: as for `compare`.
        columns: only these are compared; None: all.
        limit: how many cells are told of one by one.

    Raises:
        NoiseError: what is there cannot be read, or not compared.
    """
    with TemporaryDirectory(prefix="noisecli-") as space:
        sides = open_sides(Path(clean), Path(noisy), copy, Path(space))
        found = Differences(sides.target, compared=len(sides.pairs), missing=sides.missing, added=sides.added)
        found.strange, found.swapped = sides.strange(), sides.swapped
        if found.strange:
            sides = replace(sides, manifest=None, output=None)
        if sides.truth is not None and columns is None:
            found.truth = Verdict()
            check_lines(sides, found.truth)
        if sides.target == "images":
            _images(sides, found)
        elif sides.pairs:
            _Tables(sides, found, key, columns, limit, Path(space)).run()
        found.others = [pair.name for pair in sides.others if not _same_bytes(pair)]
        return found


def _same_bytes(pair: Pair) -> bool:
    return filecmp.cmp(pair.clean.path, pair.noisy.path, shallow=False)


def _images(sides: Sides, found: Differences) -> None:
    for pair in sides.pairs:
        looked = look_at(sides, pair)
        if found.truth is not None:
            check_image(sides, pair, looked, found.truth)
        name = pair.noisy.path.name if pair.name == "." else pair.name
        if pair.is_clone and pair.entry is not None:
            name = pair.entry.path
            found.images.append(ImageDifference(name, "clone"))
        if pair.classes is not None:
            found.images.append(ImageDifference(name, "class", classes=pair.classes))
        if looked.unreadable:
            found.images.append(ImageDifference(name, "unreadable"))
        elif looked.sizes is not None:
            found.images.append(ImageDifference(name, "size", sizes=looked.sizes))
        elif not looked.same_pixels:
            peak = None if math.isinf(looked.psnr) else looked.psnr
            found.images.append(ImageDifference(name, "pixels", peak, looked.ssim))
        elif not looked.same_bytes:
            found.images.append(ImageDifference(name, "metadata"))


class _Tables:
    """Compares tables cell by cell."""

    def __init__(
        self,
        sides: Sides,
        found: Differences,
        key: str | None,
        only: Sequence[str] | None,
        limit: int,
        space: Path,
    ) -> None:
        self._sides, self._found, self._key, self._limit, self._space = sides, found, key, limit, space
        self._only, self._looked = only, look(sides, sides.pairs, only)
        found.unread = {} if only is not None else self._looked.unread
        found.rows = RowDifferences(misfits=self._looked.misfits)
        found.columns = [ColumnDifferences(name) for name in self._looked.columns]

    def run(self) -> None:
        """Compare all of them."""
        found, hows = self._found, []
        assert found.rows is not None
        for pair in self._sides.pairs:
            rows = self._looked.rows[pair.name]
            found.rows.clean, found.rows.noisy = found.rows.clean + rows[0], found.rows.noisy + rows[1]
            belongs = link(self._sides, pair, rows, self._key, self._space)
            hows.append(belongs.how)
            found.unaligned = found.unaligned or belongs.why
            if belongs.how:
                self._compare(pair, rows, belongs)
            if found.truth is not None:
                TableCheck(self._sides, pair, self._looked.columns, found.truth).run(rows, self._space)
        found.aligned = "" if "" in hows else " and ".join(dict.fromkeys(hows))

    def _compare(self, pair: Pair, rows: tuple[int, int], belongs: Link) -> None:
        before = sum(column.differing for column in self._found.columns)
        for piece in pieces(pair.clean.table(), pair.noisy.table(), list(self._looked.columns), belongs, self._space):
            if piece.noisy is not None:
                self._take(pair, piece)
        moved = belongs.origin is not None and _count_rows(belongs.origin, rows[0], self._found.rows)
        same = before == sum(column.differing for column in self._found.columns) and not moved
        alike = format_of(pair.clean.path) == format_of(pair.noisy.path) and not self._looked.unread and not self._only
        if same and alike and not _same_bytes(pair):
            self._found.only_bytes.append(pair.noisy.name)

    def _take(self, pair: Pair, piece: Piece) -> None:
        assert piece.noisy is not None
        assert piece.before is not None
        assert piece.origin is not None
        known = piece.origin != ADDED
        masks = {}
        for counts in self._found.columns:
            column = self._looked.columns[counts.name]
            one, other = piece.before[counts.name], piece.noisy[counts.name]
            masks[counts.name] = mask = differing(one, other, column) & known
            counts.compared += int(np.count_nonzero(known))
            if mask.any():
                _count(counts, column, one.filter(pa.array(mask)), other.filter(pa.array(mask)))
        if len(self._found.cells) < self._limit:
            self._found.cells += self._examples(pair, piece, masks)

    def _examples(self, pair: Pair, piece: Piece, masks: Mapping[str, Mask]) -> Iterator[CellDifference]:
        assert piece.noisy is not None
        assert piece.before is not None
        assert piece.origin is not None
        anywhere = np.logical_or.reduce(list(masks.values()))
        left = self._limit - len(self._found.cells)
        for i in np.flatnonzero(anywhere)[:left].tolist():
            for name in [name for name, mask in masks.items() if mask[i]][:left]:
                texts = [as_written(side[name].slice(i, 1))[0].as_py() for side in (piece.before, piece.noisy)]
                yield CellDifference(pair.name, int(piece.origin[i]), piece.first + i, name, texts[0], texts[1])
                left -= 1


def _count(counts: ColumnDifferences, column: Column, before: pa.Array, after: pa.Array) -> None:
    """Count cells that differ."""
    counts.differing += len(before)
    lost, had = missing(after), missing(before)
    counts.now_missing += int(np.count_nonzero(lost & ~had))
    counts.no_longer_missing += int(np.count_nonzero(had & ~lost))
    if column.kind in NUMBER | MOMENT and before.type == after.type:
        counts.respelt += int(np.count_nonzero(equal_numbers(before, after, column)))


def _count_rows(origin: Numbers, clean: int, counts: RowDifferences | None) -> bool:
    """Count rows that were added, removed and moved; also say whether there are any."""
    assert counts is not None
    seen = np.zeros(clean, bool)
    added = 0
    firsts = []
    for start in range(0, len(origin), PIECE):
        some = np.asarray(origin[start : start + PIECE])
        first = np.zeros(len(some), bool)
        first[np.unique(some, return_index=True)[1]] = True
        first &= (some != ADDED) & ~seen[np.maximum(some, 0)] if clean else False
        seen[some[first]] = True
        added += int(np.count_nonzero(~first))
        firsts.append(first)
    ranks = np.cumsum(seen, dtype=np.int32 if clean < 2**31 else np.int64)
    moved, last = 0, 0
    for start, first in zip(range(0, len(origin), PIECE), firsts, strict=True):
        mine = ranks[np.asarray(origin[start : start + PIECE])[first]]
        moved += int(np.count_nonzero(np.diff(mine, prepend=last) != 1))
        last = int(mine[-1]) if len(mine) else last
    removed = clean - int(np.count_nonzero(seen))
    counts.added, counts.removed, counts.moved = counts.added + added, counts.removed + removed, counts.moved + moved
    return bool(added or removed or moved)
