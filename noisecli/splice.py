"""The one kernel that edits bytes: replace spans of a buffer, carry everything else as it is."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli.streams import Mask

Offsets = NDArray[np.int64]


def splice(
    data: pa.Buffer, starts: Offsets, stops: Offsets, replacements: pa.Array, order: Offsets | None = None
) -> pa.Buffer:
    """Replace `data[starts[i]:stops[i]]` by `replacements[i]`, or by `replacements[order[i]]`.

    Spans must be sorted and must not overlap. Bytes outside them are copied unchanged.
    """
    edits = len(starts)
    if edits == 0:
        return data
    if (stops < starts).any() or (starts[1:] < stops[:-1]).any():
        raise ValueError("spans must be sorted and must not overlap")  # Arrow would read beyond its buffers
    new_bytes, new_offsets = string_buffers(replacements)
    # One view over old and new bytes: kept span, replaced span, kept span, ..., then the replacements. Taking the kept
    # spans and the replacements in turn lays the result out in one pass.
    pool = pa.py_buffer(b"".join([memoryview(data), memoryview(new_bytes)]))
    offsets = np.empty(2 * edits + len(new_offsets) + 1, np.int64)
    offsets[0] = 0
    offsets[1 : 2 * edits : 2] = starts
    offsets[2 : 2 * edits + 1 : 2] = stops
    np.add(new_offsets, data.size, out=offsets[2 * edits + 1 :])
    view = pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pool])
    taken = np.empty(2 * edits + 1, np.int64)
    taken[0::2] = np.arange(0, 2 * edits + 1, 2)
    np.add(np.arange(edits) if order is None else order, 2 * edits + 1, out=taken[1::2])
    result, _ = string_buffers(view.take(pa.array(taken)))
    return result


def splice_rows(
    data: pa.Buffer,
    starts: Offsets,
    stops: Offsets,
    replacements: pa.Array,
    rows: NDArray[np.intp],
    bounds: Offsets,
    order: NDArray[np.intp],
    which: Offsets | None = None,
) -> pa.Buffer:
    """Put rows in another order or number, then replace spans as `splice` does, which says what `which` is.

    Row `i` goes from `bounds[i]` to `bounds[i + 1]`, and outgoing row `j` comes from row `order[j]`. Span `k` is a
    stretch of `data` within the row that outgoing row `rows[k]` comes from, and is replaced in that outgoing row alone.
    """
    whole = pa.Array.from_buffers(pa.large_binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), data])
    taken, offsets = string_buffers(whole.take(pa.array(order)))
    shift = offsets[rows] - bounds[order[rows]]
    return splice(taken, starts + shift, stops + shift, replacements, which)


def slices(data: pa.Buffer, starts: Offsets, stops: Offsets) -> pa.Array:
    """Copy `data[starts[i]:stops[i]]` out as binary values, large ones of 2 GB; spans must be sorted, none overlap."""
    wide = data.size >= 2**31
    bounds = np.empty(2 * len(starts) + 1, np.int64 if wide else np.int32)
    bounds[0:-1:2] = starts
    bounds[1::2] = stops
    bounds[-1] = data.size
    type_ = pa.large_binary() if wide else pa.binary()
    view = pa.Array.from_buffers(type_, len(bounds) - 1, [None, pa.py_buffer(bounds), data])
    return view.take(pa.array(np.arange(0, len(bounds) - 1, 2)))


def stretches(starts: Offsets, stops: Offsets) -> Offsets:
    """Return the positions of some stretches, one after the other."""
    widths = stops - starts
    positions: Offsets = np.repeat(starts - np.cumsum(widths) + widths, widths)
    positions += np.arange(len(positions))
    return positions


def string_buffers(array: pa.Array) -> tuple[pa.Buffer, Offsets]:
    """Bytes of a string or binary array and its offsets into them, starting at 0."""
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets_buffer, data = array.buffers()
    if len(array) == 0 or offsets_buffer is None:
        return pa.py_buffer(b""), np.zeros(len(array) + 1, np.int64)
    raw = np.frombuffer(offsets_buffer, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    first, last = int(raw[0]), int(raw[-1])
    offsets = np.subtract(raw, first, dtype=np.int64) if first else raw.astype(np.int64)
    if data is None:
        data = pa.py_buffer(b"")
    return data.slice(first, last - first), offsets


def exchanged(swap: Mask) -> Offsets:
    """Let things in a row change places with their right neighbours, from the left to the right.

    Args:
        swap: (n,) which of them do; the last cannot.

    Returns:
        (n,) which of the things comes to each place: where several in turn do, the first of them goes last.
    """
    order = np.arange(len(swap))
    order[swap] += 1
    after = np.concatenate([[False], swap[:-1]])
    order[after & ~swap] = np.flatnonzero(swap & ~after)
    return order
