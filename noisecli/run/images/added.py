"""What a run adds to the metadata of images: where they come from, and soft labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from noisecli.corruption import MixingCorruption
from noisecli.recipe import Recipe
from noisecli.run.images.classes import Classes
from noisecli.run.record import Made

LABEL = "label"
"""What the column of the classes is called where folders say them; Hugging Face's name."""

PROVENANCE: Mapping[str, pa.DataType] = {"_copy": pa.int64(), "_source": pa.string(), "_steps": pa.string()}
"""What `data: {provenance: true}` adds."""

UNTOUCHED = "-"
"""What is said of steps where none changed an image: an empty cell would be no text to those that guess types."""


@dataclass(frozen=True)
class Added:
    """The columns that are added, and what is in them."""

    provenance: bool
    label: str
    """Column of the classes."""
    classes: tuple[str, ...] = ()
    """Those of soft labels, which held-out images may have alone; empty: labels stay hard."""
    layout: str = "wide"
    """Of soft labels."""

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Their names and types."""
        pair = {f"{self.label}_b": pa.string(), "lambda": pa.float64()} if self.classes else {}
        wide = {f"{self.label}__p__{name}": pa.float64() for name in self.classes}
        return {**(pair if self.layout == "pair" else wide), **(PROVENANCE if self.provenance else {})}

    def columns(self, rows: Sequence[tuple[int | None, Sequence[Made]]]) -> dict[str, pa.Array]:
        """Return their cells, for rows about a copy and so many files of it each; nulls, where there are none."""
        cells = [self._cells(copy, made) for copy, made in rows]
        return {name: pa.array([row.get(name) for row in cells], type_) for name, type_ in self.types.items()}

    def _cells(self, copy: int | None, made: Sequence[Made]) -> dict[str, Any]:
        if not made:
            return {}
        told = {"_copy": copy, "_source": made[0].entry.input, "_steps": _steps(made)}
        shares = made[0].shares
        if not shares:
            return told
        if self.layout == "pair":
            own = made[0].new_label
            other = next((name for name in shares if name != own), own)
            return {**told, f"{self.label}_b": other, "lambda": shares.get(own or "", 0.0)}
        return {**told, **{f"{self.label}__p__{name}": shares.get(name, 0.0) for name in self.classes}}


def added_columns(recipe: Recipe, classes: Classes | None) -> Added:
    """Say what is added to metadata."""
    ops = (step.corruption for step in recipe.steps_of_all)
    mixes = any(isinstance(op, MixingCorruption) for op in ops)
    data = recipe.head.data
    known = tuple(sorted(set(classes.of.values()))) if mixes and classes is not None else ()
    return Added(data.provenance, data.label or LABEL, known, data.soft_labels)


def _steps(made: Iterable[Made]) -> str:
    return " ".join(dict.fromkeys(step for file in made for step in file.steps)) or UNTOUCHED
