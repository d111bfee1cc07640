"""What a preview of a table found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Cells = Mapping[str, str | None]
"""Cells of a row as the truth writes them, by column; None: missing."""

Fate = Literal["", "moved", "clone", "left out"]


@dataclass(frozen=True)
class Change:
    """What one step made of one cell."""

    column: str
    step: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class PreviewRow:
    """A row of the copy, or one that is left out of it."""

    file: str
    """Path of the input file from the input; "." for a single file."""
    row: int
    """Row of the input file, from 0, as in the truth."""
    cells: Cells
    """Clean cells of the columns that identify the row, and of those in which any of the rows shown changed."""
    changes: tuple[Change, ...]
    """In the order of the steps; of a clone also what its row got before it was cloned."""
    fate: Fate = ""
    by: str | None = None
    """Step that moved the row, cloned it or left it out; None where several move rows."""
    output_row: int | None = None
    """Row of the copy, from 0; None where rows stay where they are, and for a row that is left out."""
    added: Cells | None = None
    """Cells of the columns that only the copy has."""


@dataclass(frozen=True)
class RawLine:
    """What a step on the finished file made of a line, a cell or the header, as they are written."""

    step: str
    output_row: int | None
    """Row of the copy, from 0; None: the file as a whole."""
    column: str | None
    before: str
    after: str


@dataclass(frozen=True)
class StepCount:
    """What a step did to a column of the rows looked at, or to whole rows, lines or files."""

    sweep: str | None
    step: str
    op: str
    column: str
    eligible: int
    struck: int
    changed: int | None
    """None where only strikes were counted."""
    rate: float | None
    """The rate asked for; None for fields of rows that were asked for as a whole."""


@dataclass(frozen=True)
class FactsUsed:
    """Where the facts come from that steps go by."""

    kind: Literal["exact", "approximate", "pinned"]
    """pinned: those of the manifest that the recipe names."""
    rows: int | None
    """Rows that they were measured on."""
    of_about: int | None = None
    """About how many rows the input has, where they are approximate."""


@dataclass(frozen=True)
class TablePreview:
    """What a recipe does to some rows of a dataset."""

    seed: int
    seed_drawn: bool
    """Whether nobody gave the seed."""
    facts: FactsUsed
    files: tuple[str, ...]
    """Input files whose rows were looked at, by name."""
    looked_at: int
    """How many rows these are."""
    whole: bool
    """Whether these are all rows of the input."""
    combinations: tuple[str, ...]
    """Folders of a sweep's combinations; empty without one."""
    shown: str | None
    """The combination that the rows are of: the one that changes most cells."""
    context: tuple[str, ...]
    """Columns that identify rows, the best first."""
    rows: tuple[PreviewRow, ...]
    changed_rows: int
    """How many of the rows looked at changed, were moved, cloned or left out."""
    lines: tuple[RawLine, ...]
    added: tuple[str, ...]
    """Columns that only the copy has."""
    counts: tuple[StepCount, ...]
    notes: Sequence[str]
    """What has to be known to read this."""
    warnings: Sequence[str]


@dataclass(frozen=True)
class StepOnImage:
    """What one step does to one image."""

    step: str
    struck: bool
    drawn: Mapping[str, Any] | None
    """The op's parameters at the size of the image, and what was drawn; None where it is not struck."""


@dataclass(frozen=True)
class ImageShown:
    """An image on a contact sheet."""

    path: str
    """From the input."""
    size: tuple[int, int]
    """Width and height, in px."""
    steps: tuple[StepOnImage, ...]


@dataclass(frozen=True)
class ImagesPreview:
    """What a recipe does to some images."""

    seed: int
    seed_drawn: bool
    sheet: str
    """Where the contact sheet is."""
    looked_at: int
    """For how many images it was found out which steps strike them."""
    whole: bool
    """Whether these are all images that may be struck."""
    combinations: tuple[str, ...]
    """Folders of a sweep's combinations; empty without one."""
    shown: str | None
    """The combination that the following is about: the last."""
    images: tuple[ImageShown, ...]
    counts: tuple[StepCount, ...]
    """How often the steps strike the images looked at."""
    notes: Sequence[str]
