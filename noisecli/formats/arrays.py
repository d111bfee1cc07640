"""Numpy arrays as tables of numbers, and as images."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.corruption import Pixels
from noisecli.errors import DataProblem
from noisecli.formats.gathered import Noisy
from noisecli.formats.images import apart

Array = NDArray[Any]


class NumpyTable:
    """A 2-D array of numbers as a table with columns `#1`, `#2` and so on; a 1-D array is its only column."""

    def __init__(self, array: Array) -> None:
        array = np.asarray(array)
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise DataProblem(
                f"an array of {array.dtype} is no table of numbers: give booleans, integers or floats of up to 64 "
                "bits, or a pandas DataFrame or pyarrow.Table"
            )
        self._shape = array.shape
        self._array = array.reshape(-1, 1) if array.ndim == 1 else array
        self._places = {f"#{i + 1}": i for i in range(self._array.shape[1])}
        self.names = list(self._places)

    @property
    def rows(self) -> int:
        return len(self._array)

    def fields(self, columns: Collection[str]) -> Mapping[str, pa.DataType]:
        own = pa.from_numpy_dtype(self._array.dtype.newbyteorder("="))
        return {name: own for name in self.names if name in columns}

    def read(self, columns: Sequence[str]) -> pa.Table:
        native = self._array.dtype.newbyteorder("=")
        return pa.table(
            [pa.array(self._array[:, self._places[name]].astype(native), from_pandas=True) for name in columns],
            list(columns),
        )

    def replaced(self, noisy: Noisy) -> Array:
        for name in noisy.outgoing:
            what = "cannot become text" if name in self._places else "cannot be added"
            raise DataProblem(f"column {name!r} {what}: an array of numbers has one type; give a pandas DataFrame")
        array = self._array.copy() if noisy.order is None else self._array[noisy.order]
        for name in noisy.cells:
            rows, cells = noisy.new(name)
            if cells.null_count and array.dtype.kind != "f":
                raise DataProblem(
                    f"column {name!r}: an array of {array.dtype} can hold no missing value: give floats, or a DataFrame"
                )
            array[rows, self._places[name]] = cells.to_numpy(zero_copy_only=False)
        return array.reshape(-1) if len(self._shape) == 1 else array


class NumpyImages:
    """One image, or a batch of them that are addressed by their numbers."""

    def __init__(self, array: Array) -> None:
        array = np.asarray(array)
        if array.dtype.kind != "u" or array.dtype.itemsize > 2:
            raise DataProblem(
                f"images of {array.dtype} are not taken, since nothing tells which value is white: give uint8, "
                "from 0 to 255, or uint16, from 0 to 65535"
            )
        whole = array[..., np.newaxis] if array.ndim == 2 else array
        if whole.ndim not in (3, 4) or whole.shape[-1] not in (1, 2, 3, 4) or 0 in whole.shape[-3:]:
            raise DataProblem(
                f"an array of shape {array.shape} is no image: give (height, width), (height, width, channels) or "
                "(images, height, width, channels), with 1 or 3 channels, and perhaps one more of alpha; "
                "a batch of grey images is array[..., None], and channels go last"
            )
        self._array = array
        self._batch = whole if array.ndim == 4 else whole[np.newaxis]

    def addresses(self) -> list[str]:
        """Return what random numbers are keyed by: the number of an image in its batch; "" for a single one."""
        return [str(i) for i in range(len(self._batch))] if self._array.ndim == 4 else [""]

    def pixels(self) -> Iterator[Pixels]:
        """Yield the pixels of each image without alpha, read-only."""
        native = self._batch.dtype.newbyteorder("=")
        return (apart(image.astype(native))[0] for image in self._batch)

    def replaced(self, new: Mapping[int, Pixels]) -> Array:
        """Return a copy with new pixels in some images, by number."""
        batch = self._batch.copy()
        for i, pixels in new.items():
            batch[i, ..., : pixels.shape[2]] = pixels
        return batch.reshape(self._array.shape)
