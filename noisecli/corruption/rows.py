"""The contract of ops on whole rows: how often each comes out, and where."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.columns import Column
from noisecli.corruption.table import CellCorruption, TableCorruption, TextCorruption
from noisecli.streams import CounterDraws, Mask


class RowsCorruption(TableCorruption):
    """Decides how often each row comes out, and where.

    Rows are consecutive, but not always a whole block: the answer for a row must not depend on its neighbours. Cells
    are the clean ones of the step's columns, by name; draws have one number a row and call.
    """

    strikes_columns = False
    together = True
    default_rate = 0.1

    def looks_at(self) -> Sequence[str] | None:
        """Selectors of the columns that the op looks at where a step names none; None: it takes no columns."""
        return None

    def times(
        self, struck: Mask, cells: Mapping[str, pa.Array], columns: Mapping[str, Column], draws: CounterDraws
    ) -> NDArray[np.intp]:
        """Say how often each row comes out where it stands: 0 drops it, 1 keeps it, 2 adds a clone."""
        return np.ones(len(struck), np.intp)

    def wrong_fields(self, able: Mapping[str, Mask], draws: Mapping[str, CounterDraws]) -> Mapping[str, Mask]:
        """Say which cells of fresh clones get an error, of those that are able to; by column."""
        return {}

    def error(self, column: Column) -> "CellCorruption | TextCorruption | None":
        """Return the op that makes one error in a cell of a column; None: clones are exact."""
        return None

    def scatters(self) -> bool:
        """Whether rows come out at other places of the file."""
        return False

    def scattered(self, struck: Mask, clones: Mask) -> Mask:
        """Say which outgoing rows go to a random place of the file, all places alike; the others keep their order."""
        return np.zeros(len(struck), bool)

    def later(self, struck: Mask, draws: CounterDraws) -> NDArray[np.intp]:
        """Say how many rows of the file later each outgoing row comes out; 0: it keeps its place."""
        return np.zeros(len(struck), np.intp)
