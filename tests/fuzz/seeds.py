"""Small good files of every format, in variants that differ in their bytes: what the mutations start from."""

import datetime as dt
import gzip
import io
import json
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image, PngImagePlugin
from pyarrow import ipc

ROWS = 40
NESTED = pa.struct([("a", pa.list_(pa.struct([("b", pa.int8())]))), ("m", pa.map_(pa.string(), pa.int32()))])
DELTAS = {"n": "DELTA_BINARY_PACKED", "y": "DELTA_BYTE_ARRAY", "x": "BYTE_STREAM_SPLIT"}


def table() -> pa.Table:
    """A column of each kind, some cells of them missing."""
    times = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=7 * i) for i in range(ROWS)]
    return pa.table(
        {
            "x": pa.array([None if i % 9 == 4 else i * 1.25 - 7 for i in range(ROWS)]),
            "n": pa.array([i * 37 % 101 for i in range(ROWS)], pa.int32()),
            "y": pa.array([None if i % 11 == 3 else f"word {i}, né " * (1 + i % 3) for i in range(ROWS)]),
            "c": pa.array([["red", "green", "blue"][i % 3] for i in range(ROWS)]).dictionary_encode(),
            "t": pa.array(times, pa.timestamp("ms")),
            "l": pa.array([list(range(i % 4)) for i in range(ROWS)]),
            "b": pa.array([i % 2 == 0 for i in range(ROWS)]),
            "z": pa.array(times, pa.timestamp("us", "Europe/Paris")),
        }
    )


def _odd_table() -> pa.Table:
    """Types for which Arrow lacks most kernels."""
    texts = pa.array([None if i % 7 == 2 else f"a text of some length {i}" for i in range(ROWS)])
    runs = pc.run_end_encode(pa.array([i // 5 for i in range(ROWS)]))
    nested = pa.array([{"a": [{"b": i}] * (i % 3), "m": [("k", i)]} for i in range(ROWS)], NESTED)
    decimals = pa.array([i % 17 for i in range(ROWS)], pa.decimal128(20, 2))
    coded = pa.DictionaryArray.from_arrays(pa.array([i % 2 for i in range(ROWS)], pa.int8()), nested[:2])
    cells = [texts.cast(pa.string_view()), texts.cast(pa.large_string()), runs, nested, decimals, coded]
    return pa.table(cells, ["y", "c", "x", "s", "d", "e"])


def _csv(delimiter: str = ",", line_end: str = "\n") -> bytes:
    lines = [delimiter.join("xnyct")]
    for row in table().select(list("xnyct")).to_pylist():
        text = '"' + row["y"].replace("é", '""e') + '"' if row["y"] else ""
        number = "" if row["x"] is None else str(row["x"])
        lines.append(delimiter.join([number, str(row["n"]), text, row["c"], row["t"].isoformat()]))
    return (line_end.join(lines) + line_end).encode()


def _jsonl() -> bytes:
    rows = (json.dumps(row, default=str, ensure_ascii=i % 2 == 0) for i, row in enumerate(table().to_pylist()))
    return "".join(f"{row}\n" for row in rows).encode()


def _parquet(**how: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table(), sink, row_group_size=ROWS // 2, **how)
    return sink.getvalue()


def _arrow(data: pa.Table, **how: Any) -> bytes:
    sink = io.BytesIO()
    with ipc.new_file(sink, data.schema, options=ipc.IpcWriteOptions(**how)) as writer:
        writer.write_table(data, max_chunksize=ROWS // 2)
    return sink.getvalue()


def _image(format_: str, mode: str = "RGB", **how: Any) -> bytes:
    y, x = np.mgrid[:20, :24]
    if mode == "I;16":
        picture = Image.fromarray((x * 1_371 + y * 77).astype(np.uint16))
    else:
        picture = Image.fromarray(np.stack([x * 10, y * 9, x * y % 256], axis=-1).astype(np.uint8)).convert(mode)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture"
    sink = io.BytesIO()
    picture.save(sink, format_, exif=exif, **how)
    return sink.getvalue()


def _texts() -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "a text " * 9, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "<x/>")
    return texts


@cache
def seeds(suffix: str) -> tuple[bytes, ...]:
    """Good files of the format that the extension stands for."""
    match suffix:
        case ".csv":
            return _csv(), _csv(";", "\r\n"), b"\xef\xbb\xbf" + _csv("|"), _csv().decode().encode("utf-16")
        case ".tsv":
            return _csv("\t"), _csv("\t", "\r\n")
        case ".csv.gz":
            return gzip.compress(_csv(), mtime=0), gzip.compress(_csv()[:300], mtime=0) + gzip.compress(_csv()[300:])
        case ".jsonl":
            return _jsonl(), b"\xef\xbb\xbf" + _jsonl().replace(b"\n", b"\r\n")
        case ".parquet":
            return (
                _parquet(),
                _parquet(compression="none", use_dictionary=False, data_page_version="2.0", store_schema=False),
                _parquet(compression="zstd", write_page_checksum=True, write_page_index=True, store_schema=False),
                _parquet(compression="none", use_deprecated_int96_timestamps=True, store_schema=False),
                _parquet(compression="gzip", sorting_columns=[pq.SortingColumn(1)], store_schema=False),
                _parquet(compression="none", column_encoding=DELTAS, use_dictionary=["c"], store_schema=False),
            )
        case ".arrow":
            return (
                _arrow(table()),
                _arrow(table(), compression="lz4"),
                _arrow(table(), compression="zstd"),
                _arrow(_odd_table()),
            )
        case ".jpg":
            return (
                _image("JPEG"),
                _image("JPEG", progressive=True, comment=b"a comment"),
                _image("JPEG", "L", icc_profile=bytes(200)),
                _image("JPEG", "CMYK"),
            )
        case ".png":
            return (
                _image("PNG", pnginfo=_texts()),
                _image("PNG", "P"),
                _image("PNG", "RGBA"),
                _image("PNG", "I;16"),
                _image("PNG", "1"),
            )
    raise KeyError(suffix)
