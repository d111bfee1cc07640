"""Pandas DataFrames as tables. Only changed cells are written, into copies of their columns."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.celltext import to_mask
from noisecli.engine import Index
from noisecli.errors import DataProblem
from noisecli.formats.content import as_type, plain
from noisecli.formats.gathered import Noisy
from noisecli.formats.grid import unique_names

Series = Any
"""A pandas Series: its type would have to say what its cells are."""


class PandasFrame:
    """A DataFrame; columns go by their labels as text, or by position, as `#3`, where that is not unique."""

    def __init__(self, frame: pd.DataFrame) -> None:
        if isinstance(frame.columns, pd.MultiIndex):
            raise DataProblem(
                "the DataFrame's columns are a MultiIndex, which recipes cannot name: flatten it, as in "
                "frame.columns = ['_'.join(map(str, labels)) for labels in frame.columns]"
            )
        self._frame = frame
        self.names = unique_names([str(label) for label in frame.columns], "the DataFrame")
        self._places = {name: i for i, name in enumerate(self.names)}
        self._types: dict[str, pa.DataType | None] = {}
        self._read: dict[str, pa.ChunkedArray] = {}
        for name, dtype in zip(self.names, frame.dtypes, strict=True):
            if isinstance(dtype, np.dtype) and not dtype.isnative:
                raise DataProblem(
                    f"column {name!r} is of foreign byte order, which pandas itself can hardly work on: convert it, as "
                    f"in frame.astype({{...: {dtype.newbyteorder('=').name!r}}})"
                )

    @property
    def rows(self) -> int:
        return len(self._frame)

    def fields(self, columns: Collection[str]) -> Mapping[str, pa.DataType]:
        types = {name: self._type(name) for name in self.names if name in columns}
        return {name: plain(type_) for name, type_ in types.items() if type_ is not None}

    def _type(self, name: str) -> pa.DataType | None:
        """The Arrow type of a column; None where it has none."""
        if name not in self._types:
            column = self._frame.iloc[:, self._places[name]]
            if _holds_objects(column):  # only the objects themselves tell
                cells = _to_arrow(column)
                if cells is not None:
                    self._read[name] = cells
            else:
                cells = _to_arrow(column.iloc[:0])
            self._types[name] = None if cells is None else cells.type
        return self._types[name]

    def read(self, columns: Sequence[str]) -> pa.Table:
        return pa.table([self._column(name) for name in columns], list(columns))

    def _column(self, name: str) -> pa.ChunkedArray:
        if name not in self._read:
            cells = _to_arrow(self._frame.iloc[:, self._places[name]])
            if cells is None:
                raise DataProblem(f"column {name!r}: pyarrow cannot read its cells")
            self._read[name] = as_type(cells, self._type(name))
        return self._read[name]

    def replaced(self, noisy: Noisy) -> pd.DataFrame:
        frame = self._frame.copy() if noisy.order is None else self._rows(noisy.order)
        for name, cells in noisy.cells.items():
            if name not in self._places:
                frame.insert(frame.shape[1], name, cells.to_pandas().array)
            elif name in noisy.outgoing:
                frame.isetitem(self._places[name], np.array(cells.to_pylist(), object))
            else:
                place = self._places[name]
                frame.isetitem(place, _filled(frame.iloc[:, place], cells, *noisy.new(name)))
        return frame

    def _rows(self, order: Index) -> pd.DataFrame:
        if not self._frame.flags.allows_duplicate_labels and len(np.unique(order)) < len(order):
            raise DataProblem("the DataFrame allows no duplicate labels, which a step on rows makes: allow them")
        return self._frame.iloc[order].copy()  # all rows in order would share memory with the input


def _to_arrow(column: Series) -> pa.ChunkedArray | None:
    """Cells in the Arrow type that they have; None where they have none, as objects of several types."""
    categories: Any = getattr(column.dtype, "categories", column)
    if isinstance(column.dtype, pd.SparseDtype) or isinstance(categories.dtype, pd.IntervalDtype):
        return None  # pandas cannot replace cells of the one, nor make missing those of the other
    try:
        cells = pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    return cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])


def _holds_objects(column: Series) -> bool:
    return isinstance(column.dtype, np.dtype) and column.dtype.kind == "O"


def _filled(column: Series, whole: pa.ChunkedArray, rows: Index, cells: pa.Array) -> Any:
    """Return a column of the noisy frame with new cells in some rows; `whole` are all its new cells."""
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        arrow = pd.arrays.ArrowExtensionArray(as_type(whole, dtype.pyarrow_dtype))
        return pd.Series(arrow, index=column.index)
    new: Any = cells
    if isinstance(dtype, pd.CategoricalDtype):
        encoded = cells.dictionary_encode()
        found = encoded.dictionary.to_pylist()
        fresh = [value for value in found if value not in dtype.categories]
        column = column.cat.add_categories(fresh) if fresh else column
        new = pd.Categorical(found, dtype=column.dtype).take(encoded.indices.fill_null(-1).to_numpy(), allow_fill=True)
    elif _holds_objects(column):
        new = _objects(cells)
        if cells.null_count:
            new[to_mask(cells.is_null())] = _missing(column)
    else:
        if cells.null_count and isinstance(dtype, np.dtype) and dtype.kind in "iub":
            column = column.astype(_twin(dtype))
            dtype = column.dtype
        new = dtype.__from_arrow__(cells) if hasattr(dtype, "__from_arrow__") else cells.to_pandas()
    values = column.array.copy()
    values[rows] = new
    if isinstance(column.dtype, np.dtype):  # else pandas looks for missing cells
        values = np.asarray(values)
    return pd.Series(values, index=column.index, dtype=column.dtype, copy=False)


def _objects(cells: pa.Array) -> NDArray[np.object_]:
    """Cells as Python objects."""
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        return np.asarray(cells.to_numpy(zero_copy_only=False))
    objects = np.empty(len(cells), object)
    for i, cell in enumerate(cells.to_pylist()):  # numpy would look into lists
        objects[i] = cell
    return objects


def _twin(dtype: np.dtype[Any]) -> Any:
    """Name the nullable dtype for numbers that may now be missing: Int64 for int64, boolean for bool."""
    return "boolean" if dtype.kind == "b" else dtype.name.replace("uint", "UInt").replace("int", "Int")


def _missing(column: Series) -> Any:
    """How a column of Python objects spells a missing cell: None, unless its first one is something else."""
    missing = np.flatnonzero(column.isna())
    return column.iloc[missing[0]] if len(missing) else None
