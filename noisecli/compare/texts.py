"""Texts that differ: a few examples, chosen by the keys of their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noisecli.columns import to_text
from noisecli.compare.align import truth_lines
from noisecli.compare.model import TextExample
from noisecli.compare.rows import Piece
from noisecli.compare.sampling import keys_of
from noisecli.compare.sides import Pair, Sides
from noisecli.streams import Mask

MOST_TEXTS = 12


@dataclass(frozen=True)
class _Found:
    key: int
    pair: Pair
    example: TextExample


class Texts:
    """Looks for texts that differ, in each of some columns."""

    def __init__(self, names: Sequence[str]) -> None:
        self._found: dict[str, list[_Found]] = {name: [] for name in names}

    def add(self, number: int, pair: Pair, piece: Piece, masks: Mapping[str, Mask]) -> None:
        """Look at some rows of a file."""
        assert piece.before is not None
        assert piece.noisy is not None
        assert piece.origin is not None
        for name, found in self._found.items():
            places = np.flatnonzero(masks[name])
            if len(places) == 0:
                continue
            rows = piece.origin[places]
            keys = keys_of(number, rows, rows)
            first = np.argsort(keys, kind="stable")[:MOST_TEXTS]
            wanted = pa.array(places[first])
            before, after = (to_text(side[name].take(wanted)).to_pylist() for side in (piece.before, piece.noisy))
            examples = map(TextExample, [name] * len(first), rows[first].tolist(), before, after)
            found += map(_Found, keys[first].tolist(), [pair] * len(first), examples)
            found.sort(key=lambda one: one.key)
            del found[MOST_TEXTS:]

    def chosen(self, sides: Sides) -> tuple[TextExample, ...]:
        """Return examples of all columns in turn, with the steps that changed them where a truth file tells."""
        in_turn = [one for one in chain(*zip_longest(*self._found.values())) if one is not None][:MOST_TEXTS]
        steps = _steps(sides, in_turn)
        found = [
            replace(one.example, step=steps.get((one.pair.name, one.example.row, one.example.column)))
            for one in in_turn
        ]
        return tuple(sorted(found, key=lambda one: (list(self._found).index(one.column), one.row)))


def _steps(sides: Sides, found: Sequence[_Found]) -> dict[tuple[str, int, str], str]:
    """Which steps changed some cells, by file, row and column."""
    result: dict[tuple[str, int, str], str] = {}
    if sides.truth is None:
        return result
    for pair in {one.pair.name: one.pair for one in found}.values():
        rows = pa.array(sorted({one.example.row for one in found if one.pair.name == pair.name}), pa.int64())
        for lines in truth_lines(sides, pair, ["row", "column", "step"]):
            for line in lines.filter(pc.is_in(lines["row"], rows)).to_pylist():
                at = (pair.name, line["row"], line["column"])
                result[at] = f"{result[at]}, {line['step']}" if at in result else line["step"]
    return result
