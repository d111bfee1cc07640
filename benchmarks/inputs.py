"""Seeded inputs of any size, made once and kept in a folder of data."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from PIL import Image

PHOTOGRAPHS = Path(__file__).parents[1] / "docs" / "photographs"
ROW_GROUP = 1_048_576  # pyarrow's default
_WORDS = """
time year people way day man thing woman life child world school state family student group country problem hand
part place case week company system program question work government number night point home water room mother
area money story fact month lot right study book eye job word business issue side kind head house service friend
father power hour game line end member law car city community name president team minute idea kid body
information back parent face others level office door health person art war history party result change morning
reason research girl guy moment air teacher force education foot boy age policy everything process music market
sense nation plan college interest death
"""
WORDS = _WORDS.split()
_FIRST = """
Ada Ben Chloë David Emma Farid Grace Hana Ivan Julia Kenji Lena Müge Noor Olga Paul Quinn Rosa Sam Tariq
"""
FIRST = _FIRST.split()
_LAST = """
Adams Berg Costa Díaz Evans Fischer Gupta Haas Ito Jensen Khan Łuczak Meyer Novak Okafor Price Rossi Silva
"""
LAST = _LAST.split()
FLOATS = [f"f{i}" for i in range(10)]


class Inputs:
    """The files that the benchmark reads.

    Args:
        folder: Where they are kept; a change of this module makes new ones.
        scale: Share of the full number of rows and images, for a quick look.
    """

    def __init__(self, folder: Path, scale: float = 1.0) -> None:
        version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
        self.folder, self._scale = folder / version, scale
        self.folder.mkdir(parents=True, exist_ok=True)

    def count(self, full: int) -> int:
        """Return how many rows or images stand for so many."""
        return max(round(full * self._scale), 1)

    def floats(self, rows: int) -> Path:
        """Ten columns of doubles as Parquet, with missing cells in two."""
        return self._make(f"floats-{self.count(rows)}.parquet", lambda path: _parquet(path, self.count(rows), _floats))

    def floats_csv(self, rows: int) -> Path:
        """The same as CSV, with the two or three decimals that measurements have: 63 bytes a row."""
        return self._make(f"floats-{self.count(rows)}.csv", lambda path: _csv(path, self.count(rows), _rounded))

    def mixed(self, rows: int) -> Path:
        """Twelve columns as Parquet: numbers, text, categories, a time."""
        return self._make(f"mixed-{self.count(rows)}.parquet", lambda path: _parquet(path, self.count(rows), _mixed))

    def mixed_csv(self, rows: int) -> Path:
        """The same as CSV."""
        return self._make(f"mixed-{self.count(rows)}.csv", lambda path: _csv(path, self.count(rows), _plain_mixed))

    def sentences(self, rows: int) -> Path:
        """A CSV of numbered sentences of about 60 characters."""
        return self._make(f"sentences-{self.count(rows)}.csv", lambda path: _csv(path, self.count(rows), _sentences))

    def images(self, jpegs: int, pngs: int) -> Path:
        """A folder of photographs of about 500 x 375."""
        jpegs, pngs = self.count(jpegs), self.count(pngs) if pngs else 0
        return self._make(f"images-{jpegs}-{pngs}", lambda path: _photographs(path, jpegs, pngs))

    def _make(self, name: str, write: Callable[[Path], None]) -> Path:
        path = self.folder / name
        if not path.exists():
            unfinished = self.folder / f".{name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            write(unfinished)
            unfinished.rename(path)
        return path


def picture(number: int) -> np.ndarray:
    """Return a photograph of 500 x 375 in 3 channels, uint8."""
    return np.asarray(_crop(np.random.default_rng([3, number]), (500, 375)))


def mixed_table(rows: int) -> pa.Table:
    """Return the table of `mixed` in memory."""
    return pa.concat_tables(_pieces(rows, _mixed))


def _pieces(rows: int, make: Callable[[np.random.Generator, int, int], pa.Table]) -> Iterator[pa.Table]:
    for start in range(0, rows, ROW_GROUP):
        yield make(np.random.default_rng([1, start]), start, min(ROW_GROUP, rows - start))


def _parquet(path: Path, rows: int, make: Callable[[np.random.Generator, int, int], pa.Table]) -> None:
    pieces = _pieces(rows, make)
    first = next(pieces)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def _csv(path: Path, rows: int, make: Callable[[np.random.Generator, int, int], pa.Table]) -> None:
    pieces = _pieces(rows, make)
    first = next(pieces)
    options = pyarrow.csv.WriteOptions(quoting_style="none")  # none of the text needs it
    with pyarrow.csv.CSVWriter(path, first.schema, write_options=options) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def _floats(rng: np.random.Generator, _start: int, rows: int) -> pa.Table:
    columns = [rng.normal(10.0 * (i % 3), 1.0 + i / 3, rows) for i in range(10)]
    return pa.table(
        {
            name: _with_nulls(rng, pa.array(column), 0.01 * (name in ("f3", "f6")))
            for name, column in zip(FLOATS, columns, strict=True)
        }
    )


def _rounded(rng: np.random.Generator, start: int, rows: int) -> pa.Table:
    table = _floats(rng, start, rows)
    return pa.table({name: pc.round(table[name], 2 if i % 4 == 1 and i < 9 else 3) for i, name in enumerate(FLOATS)})


def _mixed(rng: np.random.Generator, start: int, rows: int) -> pa.Table:
    age = np.clip(rng.normal(44, 17, rows), 18, 99).astype(np.int64)
    seconds = 1_700_000_000 + np.arange(start, start + rows) * 13 + rng.integers(0, 13, rows)
    return pa.table(
        {
            "id": pa.array(np.arange(start, start + rows)),
            "when": pa.array(seconds * 1_000_000, pa.timestamp("us")),
            "age": _with_nulls(rng, pa.array(age), 0.02),
            "height": pa.array(rng.normal(171, 9, rows).round(1)),
            "weight": _with_nulls(rng, pa.array(rng.normal(74, 13, rows).round(1)), 0.01),
            "income": pa.array(rng.lognormal(10.3, 0.6, rows).round(2)),
            "score": pa.array(rng.normal(0, 1, rows)),
            "city": _with_nulls(rng, _pick(rng, [word.title() for word in WORDS[:50]], rows), 0.03),
            "segment": _pick(rng, ["consumer", "corporate", "home office", "public"], rows).dictionary_encode(),
            "plan": _pick(rng, [f"plan {letter}" for letter in "ABCDEFGHIJ"], rows).dictionary_encode(),
            "name": pc.binary_join_element_wise(_pick(rng, FIRST, rows), _pick(rng, LAST, rows), " "),
            "note": _text(rng, rows, 3, 7),
        }
    )


def _plain_mixed(rng: np.random.Generator, start: int, rows: int) -> pa.Table:
    table = _mixed(rng, start, rows)
    table = table.set_column(6, "score", pc.round(table["score"], 4))
    table = table.set_column(1, "when", table["when"].cast(pa.timestamp("s")))
    return table.cast(pa.schema((field.name, _plain(field.type)) for field in table.schema))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _sentences(rng: np.random.Generator, start: int, rows: int) -> pa.Table:
    return pa.table({"id": np.arange(start, start + rows), "text": _text(rng, rows, 8, 12)})


def _text(rng: np.random.Generator, rows: int, least: int, most: int) -> pa.Array:
    ends = np.concatenate([[0], np.cumsum(rng.integers(least, most + 1, rows))]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(ends, _pick(rng, WORDS, int(ends[-1]))), " ")


def _pick(rng: np.random.Generator, values: list[str], rows: int) -> pa.Array:
    return pa.array(values).take(pa.array(rng.integers(0, len(values), rows)))


def _with_nulls(rng: np.random.Generator, values: pa.Array, share: float) -> pa.Array:
    return pc.if_else(pa.array(rng.random(len(values)) >= share), values, None) if share else values


def _photographs(folder: Path, jpegs: int, pngs: int) -> None:
    folder.mkdir()
    for number in range(jpegs + pngs):
        rng = np.random.default_rng([2, number])
        size = (int(rng.integers(480, 521)), int(rng.integers(360, 391)))
        if number < jpegs:
            _crop(rng, size).save(folder / f"{number:04}.jpg", quality=90)
        else:
            _crop(rng, size).save(folder / f"{number:04}.png")


def _crop(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Cut a window out of one of the photographs, perhaps mirrored."""
    paths = sorted(PHOTOGRAPHS.glob("*.png"))
    with Image.open(paths[int(rng.integers(len(paths)))]) as photograph:
        whole = photograph.convert("RGB")
    width = whole.width * rng.uniform(0.6, 1.0)
    height = min(width * size[1] / size[0], whole.height)
    left, top = rng.uniform(0, whole.width - width), rng.uniform(0, whole.height - height)
    window = whole.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    return window.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else window
