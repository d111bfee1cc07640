"""The contracts of ops on tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pyarrow as pa
from numpy.random import Generator

from noisecli.columns import ANY, MOMENT, NUMBER, TEXT, Column, Kind
from noisecli.corruption.base import Corruption
from noisecli.dates import Micros
from noisecli.streams import BlockDraws, CounterDraws, Floats, Mask
from noisecli.text import Edits, Spans, Text


class TableCorruption(Corruption):
    """Base of every op that strikes a table's columns."""

    target = "table"
    accepts: ClassVar[frozenset[Kind]] = ANY
    """Kinds of column that the op can strike."""
    role: ClassVar[str | None] = None
    """The role whose column is struck when a step names no columns."""
    strikes_columns: ClassVar[bool] = True
    """False for ops on whole rows."""
    as_number: ClassVar[bool] = False
    """True: values are numbers, float64, or microseconds of dates and times. False: they are an Arrow array in the
    column's own type."""
    special: ClassVar[bool] = False
    """True: numbers may become NaN, infinite or subnormal, and are written in full, where the column holds such."""
    by_character: ClassVar[bool] = False
    """Whether the op works on the words or characters of a text, and so takes a lot of memory for a long one."""
    together: ClassVar[bool] = False
    """Whether a row is struck in all columns of the step at once. False: each column has strikes of its own."""
    stratified: ClassVar[bool] = False
    """Whether an exact step strikes each category of the column in proportion."""
    unchanged: ClassVar[str] = "the new value equals the old one"
    """Why a struck cell may come out as it went in, for the warning; "": it is meant to, and nothing is said."""

    def keeps_some(self) -> bool:
        """Whether the parameters ask that some struck cells come out as they went in, so that nothing is said of it."""
        return False

    def needs(self) -> frozenset[str]:
        """Facts of `Column` that the op reads.

        They are "mean", "sd", "min", "max", "q1", "median", "q3", "mode", "categories", "counts", of texts "words", and
        for ops on several columns "covariances".
        """
        return frozenset()

    def objection(self, column: Column) -> str | None:
        """Say why the op cannot strike a column of a kind that it accepts, "has too many values"; None: it can."""
        if self.needs() & {"categories", "counts"} and column.categories is None:
            return "has values too many or too long to be categories"
        return None

    def objection_to_all(self, columns: Sequence[Column]) -> str | None:
        """Say why the op cannot strike these columns in one step, "takes two columns"; None: it can."""
        return None

    def widens(self, column: Column) -> str | None:
        """Name a text that the op writes although the column's type cannot hold it; None: there is none.

        Where there is one, the column becomes text, in the copy and for all steps: `corrupt` gets cells and categories
        as text.
        """
        return None


class CellCorruption(TableCorruption):
    """Changes struck cells of one column."""

    tells_transitions: ClassVar[bool] = False
    """Whether the manifest says how often each category became each other one."""
    fills_nulls: ClassVar[bool] = False
    """Whether the op does not look at the old value, so that a step may strike missing cells: null, as a number NaN."""

    def corrupt(self, values: Any, column: Column, draws: BlockDraws) -> Any:
        """Return as many new values, in the form they came in; never change the input.

        Values hold no null, unless the op `fills_nulls`. A null in the result makes the cell missing.
        """
        raise NotImplementedError


class NumberCorruption(CellCorruption):
    """Changes struck numbers: float64 in, float64 out; the engine writes them in the column's type."""

    accepts = NUMBER
    as_number = True
    unchanged = "there is no change, or it is smaller than the column's resolution"

    def corrupt(self, values: Floats, column: Column, draws: BlockDraws) -> Floats:
        """Return as many new numbers."""
        raise NotImplementedError


class MomentCorruption(CellCorruption):
    """Changes struck dates and times: microseconds since 1970 in and out, as int64; the engine writes them.

    They come in as the cell's own clock shows them: that of its zone where it is text, that of UTC where it has a type.
    They go out in the column's type, or where it is text in the cell's own spelling, zone included; rounded to the
    nearest that it can hold, days in a column of dates; and clipped into the years 1 to 9999 and the type's range.
    """

    accepts = MOMENT
    as_number = True
    unchanged = "there is no change, or it is smaller than what the cell can hold"
    instants: ClassVar[bool] = False
    """True: times come in and go out by the clock of UTC, whatever zone a cell has."""

    def corrupt(self, values: Micros, column: Column, draws: BlockDraws) -> Micros:
        """Return as many new times."""
        raise NotImplementedError


class MomentTextCorruption(MomentCorruption):
    """Changes how struck dates and times are written; a column that has a type becomes text."""

    def text(self) -> str:
        """Return an example of what the op writes."""
        raise NotImplementedError

    def widens(self, column: Column) -> str | None:
        return None if pa.types.is_string(column.storage) else self.text()

    def rewrite(self, cells: pa.Array, clock: Micros, column: Column, draws: BlockDraws) -> pa.Array:
        """Return as many new cells as text.

        Args:
            cells: the old ones, each a date or time as text.
            clock: the times that they are, by their own clock.
        """
        raise NotImplementedError


class TextCorruption(TableCorruption):
    """Edits struck parts of the texts of one column; the step's rate is the share of its `unit`."""

    accepts = TEXT
    by_character = True
    default_rate = 0.1
    unchanged = "one edit undid another in the same text"

    alone: ClassVar[bool] = False
    """Whether what becomes of a struck word depends on nothing around it."""

    unit: Literal["cell", "word", "char"] = "word"
    """What the rate is a share of: whole cells, words (what stands between white space), or characters."""

    def sites(self, text: Text) -> Spans:
        """Return what may be struck, in order: all parts of the text that the `unit` names."""
        return text.cells if self.unit == "cell" else text.words if self.unit == "word" else text.characters

    def editable(self, text: Text, column: Column) -> Spans:
        """Return what may be struck and can be changed: the eligible sites."""
        sites = self.sites(text)
        able = self.can_edit(text, sites, column)
        return sites if able.all() else sites[able]

    def can_edit(self, text: Text, sites: Spans, column: Column) -> Mask:
        """Say of each site whether the op can change it, whatever others are struck; the rest are not eligible."""
        raise NotImplementedError

    def edit(self, text: Text, sites: Spans, column: Column, draws: CounterDraws) -> Edits:
        """Return what becomes of the struck sites, which all can be edited and must change.

        Edits may take in what is near the sites; what a row becomes must not depend on the other rows.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Rows:
    """Struck rows, as an op on several columns gets them.

    Cells of a number column are float64, NaN for what is no number, where the op is `as_number`; all others are Arrow
    arrays, which may hold nulls.
    """

    cells: Mapping[str, Any]
    """Current cells of the step's columns, in the order of the file."""
    clean: Mapping[str, Any]
    """Clean cells of the step's columns and of those that the op `reads`, taken out when first asked for."""
    partners: Mapping[str, Any]
    """Clean cells of the step's columns in each row's partner row; only where the op `pairs`."""


class JointCorruption(TableCorruption):
    """Changes struck rows of several columns together."""

    together = True
    whole: ClassVar[bool] = False
    """Whether a row is eligible only if all of its cells are."""
    pairs: ClassVar[bool] = False
    """Whether each row gets a partner: another training row of the dataset, by a keyed permutation of them all."""
    softens: ClassVar[Literal["", "partner", "uniform"]] = ""
    """Whether labels become soft: what a row's own class loses goes to that of its partner, or to all alike. The result
    then has under "" how much of its label each row keeps, 0..1."""

    def pairs_within(self) -> str | None:
        """Return the column, or role of a column, in which a partner has the same value; None: any row may be one."""
        return None

    def reads(self) -> tuple[str, ...]:
        """Columns besides those of the step whose clean cells the op looks at."""
        return ()

    def needs_of_read(self) -> frozenset[str]:
        """Facts of the columns that it `reads`, as `needs` names those of the struck ones."""
        return frozenset()

    def objection_to_reading(self, column: Column) -> str | None:
        """Say why a column that it `reads` is of no use, "is text"; None: it is."""
        return None

    def corrupt(self, rows: Rows, columns: Mapping[str, Column], draws: Mapping[str, BlockDraws]) -> Mapping[str, Any]:
        """Return as many new cells of the columns in `rows.cells`, in the form they came in; never change the input.

        A cell that is not eligible (null, NaN, no number where the op is `as_number`) stays, whatever is returned for
        it. A null makes a cell missing. What a row becomes must not depend on the other rows.

        Args:
            rows: the struck rows. Where the op is not `together`, those of one column at a time.
            columns: the columns of the step, and those that the op `reads`.
            draws: random numbers for the struck rows: those of each column under its name, those of the row under "".
        """
        raise NotImplementedError


class BlockCorruption(TableCorruption):
    """Changes all struck rows of a block at once; a row is struck in all columns of the step together."""

    together = True

    def corrupt(
        self, rows: Mapping[str, pa.Array], columns: Mapping[str, Column], rng: Generator
    ) -> Mapping[str, pa.Array]:
        """Return as many new cells of each column, in its storage type; never change the input.

        The cells may be null. A null in the result makes the cell missing.
        """
        raise NotImplementedError
