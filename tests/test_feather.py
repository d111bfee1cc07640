"""A Feather or Arrow file comes out as it went in, but for what was struck."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, ipc

from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import Written
from noisecli.formats.feather import FeatherFile
from tests.test_types import SCHEMA, TABLE

ROWS = TABLE.num_rows
TEXT = [None if i % 9 == 8 else "ab"[i % 2] for i in range(ROWS)]
RARE: dict[str, pa.Array] = {
    "interval": pa.array([(1, 2, 3), None] * (ROWS // 2), pa.month_day_nano_interval()),
    "runs": pc.run_end_encode(pa.array(TEXT)),
    "list view": pa.array([[1], None] * (ROWS // 2), pa.list_view(pa.int8())),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1] * (ROWS // 2), pa.int8()), [pa.array(range(ROWS)), pa.nulls(ROWS)]
    ),
    "coded within": pa.StructArray.from_arrays([pa.array(TEXT).dictionary_encode()], ["code"]),
    "coded view": pa.array(TEXT, pa.string_view())
    .cast(pa.string())
    .dictionary_encode()
    .cast(pa.dictionary(pa.uint16(), pa.string_view())),
    "views within": pa.array([["a"], None] * (ROWS // 2), pa.list_(pa.string_view())),
    **{
        name: pa.array([1, None] * (ROWS // 2), pa.decimal128(7, 2)).cast(getattr(pa, name)(7, 2))
        for name in ("decimal32", "decimal64")
        if hasattr(pa, name)
    },
}
EVERYTHING = pa.table(
    [*TABLE.columns, *RARE.values()],
    schema=pa.schema([*SCHEMA, *(pa.field(name, cells.type) for name, cells in RARE.items())], SCHEMA.metadata),
)
CUT = 25


Change = Callable[[Slab], Struck]


def untouched(slab: Slab) -> Struck:
    return Struck({}, {}, None)


def replace(cells: Mapping[str, Sequence[Any]], order: list[int] | None = None) -> Change:
    """Put values into every slab."""

    def transform(slab: Slab) -> Struck:
        new = {name: pa.array(values[: slab.rows], slab.cells[name].type) for name, values in cells.items()}
        if order is not None:
            new = {name: values.take(pa.array(order)) for name, values in new.items()}
        changed = {name: np.ones(len(values), bool) for name, values in new.items()}
        return Struck(new, changed, None if order is None else np.array(order, np.intp))

    return transform


def batches(path: Path) -> list[pa.RecordBatch]:
    with ipc.open_file(path) as source:
        return [source.get_batch(i) for i in range(source.num_record_batches)]


class Lab:
    """Writes an input and, through the class under test, its output."""

    def __init__(self, folder: Path) -> None:
        self.source, self.sink = folder / "in.feather", folder / "out.feather"
        self.file = FeatherFile(self.source, "in.feather")

    def give(self, table: pa.Table, cut: int = CUT, **options: Any) -> "Lab":
        settings = ipc.IpcWriteOptions(unify_dictionaries=True, **options)
        with ipc.new_file(self.source, table.schema, options=settings) as writer:
            writer.write_table(table, max_chunksize=cut)
        return self

    def write(self, transform: Change = untouched, *columns: str) -> Written:
        parts = [part for part, _ in self.file.scan(columns)]
        return self.file.write(parts, dict.fromkeys(columns), lambda slabs: map(transform, slabs), self.sink)  # type: ignore[arg-type]

    def sizes(self) -> list[int]:
        return [batch.num_rows for batch in batches(self.sink)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def texts(path: Path, *, without: str = "") -> str:
    rows = feather.read_table(path, memory_map=False) if path.suffix == ".feather" else pq.read_table(path)
    return str((rows.drop([without]) if without else rows).to_pylist())


# ------------------------------------------------------------------------------------------------------------- carried


@pytest.mark.parametrize("compression", ["lz4", "zstd", None])
def test_everything_is_carried(lab: Lab, compression: str | None) -> None:
    written = lab.give(EVERYTHING, compression=compression).write()
    assert (written.rows, written.changed) == (ROWS, False)
    assert texts(lab.sink) == texts(lab.source)
    assert ipc.open_file(lab.sink).schema.equals(ipc.open_file(lab.source).schema, check_metadata=True)
    assert lab.sizes() == [25, 25, 10]
    assert abs(lab.sink.stat().st_size - lab.source.stat().st_size) < 0.1 * lab.source.stat().st_size


@pytest.mark.parametrize("compression", ["lz4", "zstd", None])
def test_the_codec_stays(lab: Lab, compression: str | None) -> None:
    """With everything else equal, too, the bytes are."""
    lab.give(pa.table({"x": range(ROWS), "y": TEXT}), compression=compression).write()
    assert lab.sink.read_bytes() == lab.source.read_bytes()


def test_rows_of_every_type_can_move(lab: Lab) -> None:
    table = EVERYTHING.drop(["union"])
    written = lab.give(table, ROWS).write(replace({}, [5, 5, 0]))
    rows = feather.read_table(lab.source, memory_map=False).to_pylist()
    assert texts(lab.sink) == str([rows[5], rows[5], rows[0]])
    assert (written.rows, written.changed, lab.sizes()) == (3, True, [3])


@pytest.mark.parametrize("name", sorted(set(EVERYTHING.column_names) - {"nothing", "union", "list view"}))
def test_any_column_can_be_replaced_and_the_others_stay(lab: Lab, name: str) -> None:
    table = EVERYTHING.slice(0, CUT)
    new = table[name].to_pylist()[::-1]
    lab.give(table).write(replace({name: new}), name)
    assert str(feather.read_table(lab.sink, memory_map=False)[name].to_pylist()) == str(new)
    assert texts(lab.sink, without=name) == texts(lab.source, without=name)
    assert ipc.open_file(lab.sink).schema.equals(ipc.open_file(lab.source).schema, check_metadata=True)


@pytest.mark.parametrize("table", [EVERYTHING.slice(0, 0), pa.table({})])
def test_empty_table(lab: Lab, table: pa.Table) -> None:
    written = lab.give(table).write()
    assert (written.rows, written.changed) == (0, False)
    assert ipc.open_file(lab.sink).schema.equals(table.schema, check_metadata=True)


def test_batch_may_become_empty(lab: Lab) -> None:
    lab.give(pa.table({"x": [1, 2, 3]}), 2).write(lambda slab: Struck({}, {}, np.arange(slab.rows - 1)))
    assert lab.sizes() == [1, 0]


def test_metadata_of_batches_is_carried(lab: Lab) -> None:
    batch = pa.record_batch({"x": [1]})
    with ipc.new_file(lab.source, batch.schema) as writer:
        writer.write_batch(batch, custom_metadata={"k": "v"})
    lab.write(replace({"x": [2]}), "x")
    after = ipc.open_file(lab.sink).get_batch_with_custom_metadata(0)
    assert (after.batch.to_pydict(), after.custom_metadata) == ({"x": [2]}, {b"k": b"v"})


def test_null_in_a_not_null_column_is_refused(lab: Lab) -> None:
    lab.give(pa.table([[1, 2]], schema=pa.schema([pa.field("x", pa.int64(), nullable=False)])))
    with pytest.raises(DataProblem, match="declared 'not null'"):
        lab.write(replace({"x": [None, 1]}), "x")


# -------------------------------------------------------------------------------------------------------- dictionaries


@pytest.mark.parametrize("deltas", [True, False])
@pytest.mark.parametrize("fresh", [1, 200])
def test_new_categories_follow_the_old_ones(lab: Lab, deltas: bool, fresh: int) -> None:
    """Also where each batch adds its own, and where there are too many for the indices."""
    codes = [pa.array([0, 1] * 100, pa.int8()), pa.array([2, 0] * 100, pa.int8())]
    values = [["b", "a"], ["b", "a", "c"]] if deltas else [["b", "a", "c"]] * 2
    arrays = [pa.DictionaryArray.from_arrays(c, pa.array(v), ordered=True) for c, v in zip(codes, values, strict=True)]
    field = pa.field("x", arrays[0].type, metadata={"unit": "m"})
    schema = pa.schema([field, pa.field("y", pa.int64())], {"who": "me"})
    options = ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
    with ipc.new_file(lab.source, schema, options=options) as writer:
        for array in arrays:
            writer.write_batch(pa.record_batch([array, pa.array(range(200))], schema=schema))

    def transform(slab: Slab) -> Struck:
        cells = [f"new {slab.first_row} {i % fresh}" for i in range(slab.rows)]
        return Struck({"x": pa.array(cells)}, {"x": np.ones(slab.rows, bool)}, None)

    lab.write(transform, "x")
    first, second = batches(lab.sink)
    assert first["x"].to_pylist() == [f"new 0 {i % fresh}" for i in range(200)]
    assert second["x"].to_pylist() == [f"new 200 {i % fresh}" for i in range(200)]
    assert first["x"].dictionary.to_pylist()[:3] == ["b", "a", "c"]
    assert first["x"].type == pa.dictionary(pa.int8() if fresh == 1 else pa.int32(), pa.string(), ordered=True)
    assert (first.schema.metadata, first.schema.field("x").metadata) == ({b"who": b"me"}, {b"unit": b"m"})
    assert ipc.open_file(lab.sink).stats.num_dictionary_deltas == 0
    assert sorted(path.name for path in lab.sink.parent.iterdir()) == ["in.feather", "out.feather"]


# ---------------------------------------------------------------------------------------------- through the user's door

STEPS = (
    "op: gaussian_noise, columns: numeric, sigma: 0.3, rate: 0.5",
    "op: typo, columns: [string, category], rate: 0.5",
    "op: missing, columns: [struct, bool, string_view], rate: 0.3",
    "op: duplicate, rate: 0.2",
)


@pytest.mark.parametrize("suffix", [".feather", ".arrow"])
def test_run_verify_replay_and_the_same_as_parquet(
    tmp_path: Path, command: Callable[..., Any], recipe: Any, suffix: str
) -> None:
    old = int(pa.__version__.partition(".")[0]) < 26  # it cannot read nulls in lists of fixed size from Parquet
    table, tables = TABLE.drop("pair") if old else TABLE, {}
    for ending in (suffix, ".parquet"):
        source, out = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
        if ending == ".parquet":
            pq.write_table(table, source, row_group_size=CUT)
        else:
            feather.write_feather(table, source, chunksize=CUT)
        done = command("augment", source, "-r", recipe(*STEPS), "-o", out, "--workers", "1", "--quiet")
        assert done.code == 0, done.err
        assert command("verify", out).code == 0
        again = command("replay", out, "--input", source, "-o", tmp_path / f"again{ending}")
        assert again.code == 0, again.err
        tables[ending] = pq.read_table(out) if ending == ".parquet" else ipc.open_file(out).read_all()
    ours, theirs = tables[suffix], tables[".parquet"]
    assert ours.schema.equals(table.schema, check_metadata=True)
    assert str(ours.to_pylist()) == str(theirs.to_pylist())
    assert str(ours.to_pylist()) != str(TABLE.to_pylist())


def test_rate_zero_gives_the_very_same_bytes(tmp_path: Path, command: Any, recipe: Any) -> None:
    source, out = tmp_path / "in.feather", tmp_path / "out.feather"
    feather.write_feather(EVERYTHING, source, compression="zstd", compression_level=9)
    step = "op: gaussian_noise, columns: numeric, rate: 0"
    done = command("augment", source, "-r", recipe(step), "-o", out, "--workers", "1")
    assert done.code == 0, done.err
    assert out.read_bytes() == source.read_bytes()


# -------------------------------------------------------------------------------------------------------------- errors


def test_what_is_no_arrow_file_is_named(lab: Lab) -> None:
    whole = lab.give(EVERYTHING).source.read_bytes()
    stream = pa.BufferOutputStream()
    with ipc.new_stream(stream, TABLE.schema) as writer:
        writer.write_table(TABLE)
    cases = {
        b"": "the file is empty",
        b"a,b\n1,2\n" * 5: "not an Arrow file",
        b"FEA1" + bytes(40) + b"FEA1": "Feather version 1",
        stream.getvalue().to_pybytes(): "an Arrow stream",
        whole[:-9]: "cut off",
        whole[: len(whole) // 2]: "cut off",
        b"ARROW1": "cut off",
        whole[:-60] + b"\xff" * 40 + whole[-20:]: "footer cannot be read",
    }
    for content, message in cases.items():
        lab.source.write_bytes(content)
        with pytest.raises(DataProblem, match=rf"^in\.feather: .*{message}.*\.$") as caught:
            lab.file.fields()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compression", ["lz4", "zstd", None])
def test_damage_is_found_or_does_no_harm(lab: Lab, compression: str | None) -> None:
    """Wherever bytes are damaged, there is one clear line or a file with other cells, never a crash."""
    table = TABLE.select(["string", "list", "category", "int64"])
    whole = lab.give(table, compression=compression).source.read_bytes()
    found = []
    for at in range(8, len(whole), 97):
        lab.source.write_bytes(whole[:at] + b"\xff\x7f\xff" + whole[at + 3 :])
        try:
            lab.write(replace({}, [1, 0]), "string")
        except DataProblem as problem:
            found.append(str(problem))
    assert found
    assert all(line.startswith("in.feather: ") for line in found)


def test_missing_file_is_not_blamed_on_the_data(lab: Lab) -> None:
    with pytest.raises(FileNotFoundError):
        lab.file.fields()
