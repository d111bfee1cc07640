"""Column chunks of Parquet in which nothing changes come out byte for byte, wherever the file is from."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import noisecli
from noisecli.errors import DataProblem
from noisecli.formats.stitch import (
    ABOUT,
    BLOOM_SIZE,
    CHUNKS,
    COLUMN_INDEX,
    COMPRESSED,
    CREATED_BY,
    DATA_PAGE,
    DICTIONARY,
    FILE_OFFSET,
    GROUP_ROWS,
    GROUPS,
    KEY,
    LEAF,
    OFFSET_INDEX,
    ORDERS,
    PACKED,
    PAIRS,
    SIZE,
    SORTED_BY,
    START,
    UNPACKED,
    VALUE,
    Piece,
    Source,
    Stitching,
)
from noisecli.formats.stitch import ROWS as ALL_ROWS
from noisecli.formats.thrift import Struct, parse, serialize
from noisecli.run import execute

ROWS, GROUP = 600, 200

Writer = Callable[[pa.Table, Path], object]


def table() -> pa.Table:
    rng = np.random.default_rng(1)
    sizes = pa.array(rng.choice([*"SML"], ROWS)).dictionary_encode()
    return pa.table(
        {
            "id": range(ROWS),
            "price": pa.array(rng.normal(50, 9, ROWS), mask=rng.random(ROWS) < 0.1),
            "town": rng.choice(["Bonn", "Köln", "Ulm"], ROWS),
            "time": pa.array(range(ROWS), pa.timestamp("us")),
            "size": sizes.cast(pa.dictionary(pa.int8(), pa.string())),
            "tags": [[f"t{i % 5}", None] if i % 3 else None for i in range(ROWS)],
            "seen": [{"by": [i], "at": {"x": float(i)}} for i in range(ROWS)],
        }
    )


def by_arrow(**options: Any) -> Writer:
    return lambda table, path: pq.write_table(table, path, row_group_size=GROUP, **options)


def by_duckdb(table: pa.Table, path: Path) -> None:
    duckdb.from_arrow(table).write_parquet(str(path))


EVERYTHING = {"write_page_index": True, "write_page_checksum": True, "data_page_version": "2.0", "data_page_size": 500}
WRITERS: dict[str, Writer] = {
    "plain": by_arrow(),
    "everything": by_arrow(**EVERYTHING, compression="zstd"),
    "bloom filters": by_arrow(bloom_filter_options={"town": True, "id": True}),
    "INT96": by_arrow(version="1.0", use_deprecated_int96_timestamps=True, store_schema=False),
    "polars": lambda table, path: pl.DataFrame(table).write_parquet(path, row_group_size=GROUP),
    "duckdb": by_duckdb,
}


def run(source: Path, *steps: Any, **more: Any) -> Path:
    output = source.with_name("out.parquet")
    noisecli.augment(source, {"noisecli": 1, "seed": 3, "steps": list(steps)}, output, force=True, **more)
    assert noisecli.verify(output)[1] == []
    return output


def chunks(path: Path) -> list[dict[str, bytes]]:
    """The bytes of the column chunks of each row group, by path in the schema."""
    metadata, data, found = pq.read_metadata(path), path.read_bytes(), []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(i) for i in range(group.num_columns)]
        starts = [min(column.data_page_offset, column.dictionary_page_offset or 1 << 60) for column in columns]
        found.append(
            {c.path_in_schema: data[s:][: c.total_compressed_size] for c, s in zip(columns, starts, strict=True)}
        )
    return found


EARLY = {"id": {"lt": 200}}
MISSING = {"op": "missing", "columns": "price", "rate": 0.3}
SWAP = {"op": "category_swap", "columns": "size", "rate": 0.5, "where": EARLY}


@pytest.mark.parametrize("writer", WRITERS)
def test_chunks_without_a_change_are_carried_and_every_reader_sees_the_rest(writer: str, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    WRITERS[writer](table(), source)
    output = run(source, MISSING, SWAP)
    before, after = chunks(source), chunks(output)
    assert [list(group) for group in after] == [list(group) for group in before]
    struck = {(i, name) for i, group in enumerate(after) for name in group if group[name] != before[i][name]}
    groups = range(len(before))
    assert struck == {*((i, "price") for i in groups), (0, "size")}

    clean, noisy = pq.read_table(source), pq.read_table(output, page_checksum_verification=True)
    assert noisy.schema.equals(clean.schema, check_metadata=True)
    assert noisy.drop(["price", "size"]).equals(clean.drop(["price", "size"]))
    lost = noisy["price"].null_count - clean["price"].null_count
    assert 100 < lost < 220
    assert noisy["size"].slice(200).to_pylist() == clean["size"].slice(200).to_pylist()
    names = ["id", "price", "town", "time", "size"]
    rows = [tuple(row.values()) for row in noisy.select(names).to_pylist()]
    assert duckdb.sql(f"select {', '.join(names)} from '{output}'").fetchall() == rows
    assert pl.read_parquet(output, columns=names).rows() == rows
    for number in groups:  # what readers skip by is of the new cells, too
        column = pq.read_metadata(output).row_group(number).column(1)
        assert column.statistics.null_count == pq.ParquetFile(output).read_row_group(number)["price"].null_count


def test_page_indexes_point_at_the_pages(tmp_path: Path) -> None:
    """A reader that goes by them finds the same rows; both kinds of column are asked for."""
    source = tmp_path / "in.parquet"
    by_arrow(**EVERYTHING)(table(), source)
    output = run(source, MISSING, {"op": "category_swap", "columns": "town", "rate": 0.5, "where": EARLY})
    noisy = pq.read_table(output)
    with output.open("rb") as file:
        found = Source(file, 0, output.stat().st_size)
        for group in range(len(found.groups)):
            for i, name in enumerate(["id", "price", "town"]):
                (chunk,) = found.chunks(group, i)
                pages, _ = parse(found.read(chunk[4][1], chunk[5][1]))
                least, _ = parse(found.read(chunk[6][1], chunk[7][1]))
                starts = [page[1][1] for page in pages[1][1][1]]
                assert starts[0] == chunk[3][1][9][1], name
                assert starts == sorted(starts)
                assert len(starts) == len(least[1][1][1])
                for start in starts:  # a page header, of the second kind of data page
                    assert parse(found.read(start, 100))[0][1][1] == 3
    for id_ in (3, 250, 599):
        price = noisy["price"][id_].as_py()
        assert duckdb.sql(f"select price from '{output}' where id = {id_}").fetchall() == [(price,)]
        assert pl.scan_parquet(output).filter(pl.col("id") == id_).select("price").collect().rows() == [(price,)]


def test_row_groups_tell_the_sizes_and_the_place_of_their_columns(tmp_path: Path) -> None:
    """Engines split files among workers by them."""
    source = tmp_path / "in.parquet"
    by_arrow()(table(), source)
    with run(source, MISSING, {"op": "drop", "rate": 0.3, "where": EARLY}).open("rb") as file:
        found = Source(file, 0, Path(file.name).stat().st_size)
    rows = []
    for group in found.groups:
        told = [chunk[ABOUT][1] for chunk in group[CHUNKS][1][1]]
        assert group[SIZE][1] == sum(each[UNPACKED][1] for each in told)
        assert group[COMPRESSED][1] == sum(each[PACKED][1] for each in told)
        assert group[START][1] == told[0].get(DICTIONARY, told[0][DATA_PAGE])[1]
        assert all(chunk[FILE_OFFSET][1] == 0 for chunk in group[CHUNKS][1][1])
        rows.append(group[GROUP_ROWS][1])
    assert rows[0] < GROUP == rows[1]
    assert found.footer[ALL_ROWS][1] == sum(rows)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.skipif(int(pa.__version__.partition(".")[0]) < 26, reason="this pyarrow makes no bloom filters")
def test_bloom_filters_are_those_of_the_cells(told: bool, tmp_path: Path) -> None:
    """Their sizes are told by newer files; in others each says its own."""
    source = tmp_path / "in.parquet"
    by_arrow(bloom_filter_options={"town": True, "id": True})(table(), source)
    clean, data = pq.read_metadata(source), source.read_bytes()
    if not told:
        edited(source, of_chunks(lambda _, about: about.pop(BLOOM_SIZE, None)))
    output = run(source, {"op": "category_swap", "columns": "town", "rate": 0.5, "where": EARLY})
    metadata, noisy = pq.read_metadata(output), output.read_bytes()
    offsets = [metadata.row_group(group).column(i).bloom_filter_offset for group in range(3) for i in (0, 2)]
    assert all(offsets)
    assert len(set(offsets)) == 6
    for group in range(3):
        old, start = clean.row_group(group).column(0), metadata.row_group(group).column(0).bloom_filter_offset
        carried = data[old.bloom_filter_offset :][: old.bloom_filter_length]
        assert noisy[start:].startswith(carried)
    for word in ("Bonn", "Köln", "Ulm", "Aachen"):
        expected = pq.read_table(output)["town"].to_pylist().count(word)
        assert duckdb.sql(f"select count(*) from '{output}' where town = '{word}'").fetchall() == [(expected,)]


@pytest.mark.parametrize("op", ["drop", "shuffle", "duplicate"])
def test_where_rows_move_all_columns_follow(op: str, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    by_arrow(**EVERYTHING)(table(), source)
    clean = {row["id"]: row for row in table().to_pylist()}
    noisy = pq.read_table(run(source, {"op": op, "rate": 0.3})).to_pylist()
    assert noisy != list(clean.values())
    assert all(row == clean[row["id"]] for row in noisy)


@pytest.mark.parametrize("rows", [0, ROWS])
def test_columns_that_are_added_are_described_like_the_others(rows: int, tmp_path: Path) -> None:
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.ParquetWriter(source, table().schema).close()
    if rows:
        by_arrow()(table(), source)
    recipe = {"noisecli": 1, "seed": 3, "data": {"source_row": True}, "steps": [MISSING]}
    noisecli.augment(source, recipe, output)
    noisy = pq.read_table(output)
    assert noisy["_source_row"].to_pylist() == list(range(rows))
    assert noisy.drop(["price", "_source_row"]).equals(pq.read_table(source).drop("price"))
    assert pl.read_parquet(output)["_source_row"].to_list() == list(range(rows))
    assert len(duckdb.sql(f"from '{output}' where _source_row >= 0").fetchall()) == rows
    with output.open("rb") as file:
        footer = Source(file, 0, output.stat().st_size).footer
    assert len(footer[ORDERS][1][1]) == len(pq.read_metadata(output).schema)


def test_a_column_that_cannot_be_written_as_it_was_has_one_form_throughout(tmp_path: Path) -> None:
    """INT96 beside other times: the row groups in which nothing changes follow the others."""
    times = pa.table({"id": range(ROWS), "old": table()["time"], "new": table()["time"]})
    source = tmp_path / "in.parquet"
    source.write_bytes(mixed_times(times))
    assert [pq.read_schema(source).field(i).type for i in (1, 2)] == [pa.timestamp("ns"), pa.timestamp("us")]
    output = run(source, {"op": "missing", "columns": "old", "rate": 0.5, "where": EARLY})
    clean, noisy = pq.read_table(source), pq.read_table(output)
    assert pq.read_metadata(output).schema.column(1).physical_type == "INT64"
    assert noisy.drop("old").equals(clean.drop("old"))
    assert noisy["old"].slice(200).cast(pa.timestamp("us")).equals(times["old"].slice(200))
    assert 60 < noisy["old"].null_count < 140


def test_a_dictionary_that_was_given_up_is_not_begun_again(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=200_000)
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"many": numbers, "few": numbers.round(1)}), source)
    noisy = pq.read_metadata(run(source, {"op": "missing", "columns": ["many", "few"], "rate": 0.1})).row_group(0)
    assert pq.read_metadata(source).row_group(0).column(0).has_dictionary_page
    assert [noisy.column(i).has_dictionary_page for i in (0, 1)] == [False, True]


def test_the_footer_is_not_read_for_each_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells of all row groups, so that reading it for each is quadratic."""
    source = tmp_path / "in.parquet"
    pq.write_table(table(), source, row_group_size=2)
    opened: list[object] = []
    once = pq.ParquetFile
    monkeypatch.setattr(pq, "ParquetFile", lambda *args, **more: opened.append(args) or once(*args, **more))
    run(source, MISSING)
    assert pq.read_metadata(source).num_row_groups == 300
    assert 0 < len(opened) < 100


def test_a_page_index_of_some_columns_does_not_tell_who_wrote_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether columns that are written anew have one goes for the whole file, though workers share its columns."""
    source = tmp_path / "in.parquet"
    by_arrow(write_page_index=True)(table(), source)

    def cut(footer: Struct) -> None:
        for group in footer[GROUPS][1][1]:
            for chunk in group[CHUNKS][1][1][1:]:
                for number in range(OFFSET_INDEX, COLUMN_INDEX + 2):
                    chunk.pop(number, None)

    edited(source, cut)
    steps = [MISSING, {"op": "gaussian_noise", "columns": "id", "sigma": 0.5}]
    whole = run(source, *steps).read_bytes()
    monkeypatch.setattr(execute, "SHARE_CELLS", 1)
    assert run(source, *steps).read_bytes() == whole


def test_a_page_index_is_kept_where_the_first_row_group_is_empty(tmp_path: Path) -> None:
    source, cells = tmp_path / "in.parquet", table().select(["id", "price"])
    with pq.ParquetWriter(source, cells.schema, write_page_index=True) as writer:
        writer.write_table(cells.slice(0, 0))
        writer.write_table(cells)
    found = [pq.read_metadata(path) for path in (source, run(source, MISSING))]
    assert [metadata.row_group(0).num_rows for metadata in found] == [0, 0]
    assert all(metadata.row_group(1).column(i).has_offset_index for metadata in found for i in range(2))


def mixed_times(times: pa.Table) -> bytes:
    """A file of which the second column is INT96 and the third is not."""

    def written(table: pa.Table, **options: Any) -> Source:
        file = io.BytesIO()
        pq.write_table(table, file, row_group_size=GROUP, store_schema=False, **options)
        return Source(file, 0, file.tell())

    starts = range(0, ROWS, GROUP)
    pieces = [[Piece(written(times.slice(start, GROUP).select(["new"])), {2: 0})] for start in starts]
    whole = written(times, use_deprecated_int96_timestamps=True)
    result = io.BytesIO()
    Stitching(whole, written(times.slice(0, 0)), pieces).write(result, lambda group, columns: pieces[0][0], {})
    return result.getvalue()


def edited(path: Path, edit: Callable[[Struct], object]) -> None:
    """Change the footer of a file."""
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer, _ = parse(data[start:-8])
    edit(footer)
    new = serialize(footer)
    path.write_bytes(data[:start] + new + len(new).to_bytes(4, "little") + b"PAR1")


def about(footer: Struct, group: int, leaf: int) -> Struct:
    """What a footer tells of a column chunk."""
    struct: Struct = footer[GROUPS][1][1][group][CHUNKS][1][1][leaf][ABOUT][1]
    return struct


def of_chunks(edit: Callable[[Struct, Struct], object]) -> Callable[[Struct], object]:
    """Edit all that a footer tells of column chunks: the chunk itself, and what is said of its pages."""

    def edit_all(footer: Struct) -> None:
        for group in footer[GROUPS][1][1]:
            for chunk in group[CHUNKS][1][1]:
                edit(chunk, chunk[ABOUT][1])

    return edit_all


def of_old_mr(footer: Struct) -> None:
    """The header of the dictionary does not count, and readers know of whom that is so."""

    def shorten(chunk: Struct, about: Struct) -> None:
        if DICTIONARY in about:
            about[PACKED] = (10, about[PACKED][1] - 14)

    footer[CREATED_BY] = (11, b"parquet-mr version 1.2.8 (build 1)")
    of_chunks(shorten)(footer)


def without_dictionary_offset(chunk: Struct, about: Struct) -> None:
    if DICTIONARY in about:
        about[DATA_PAGE] = about.pop(DICTIONARY)


NOWHERE: Struct = {number: (10 if number % 2 == 0 else 8, 0) for number in (4, 5, 6, 7)}
DIALECTS: dict[str, tuple[dict[str, Any], Callable[[Struct], object]]] = {
    "header of the dictionary is not counted": ({"version": "1.0"}, of_old_mr),
    "place of the dictionary is not told": ({}, of_chunks(without_dictionary_offset)),
    "no dictionary is at 0": (
        {"use_dictionary": False},
        of_chunks(lambda _, about: about.update({DICTIONARY: (10, 0)})),
    ),
    "no index is at 0": ({}, of_chunks(lambda chunk, _: chunk.update(NOWHERE))),
    "order of values is not told": ({}, lambda footer: footer.pop(ORDERS)),
    "writer is not told": ({}, lambda footer: footer.pop(CREATED_BY)),
    "LZ4 of Hadoop": ({"compression": "lz4"}, of_chunks(lambda _, about: about.update({4: (8, 5)}))),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_files_of_other_writers_are_carried_as_they_are_read(dialect: str, tmp_path: Path) -> None:
    options, edit = DIALECTS[dialect]
    source = tmp_path / "in.parquet"
    by_arrow(**options)(table(), source)
    edited(source, edit)
    clean, noisy = pq.read_table(source), pq.read_table(run(source, MISSING))
    assert noisy.drop("price").equals(clean.drop("price"))
    assert noisy["price"].null_count > clean["price"].null_count + 100


def test_pages_of_old_arrow_are_all_compressed(tmp_path: Path) -> None:
    """Whatever their headers say: so nothing is added that is not, as pages of noise would be."""
    source = tmp_path / "in.parquet"
    flat = pa.table({"id": [1] * ROWS, "price": [1.5, 2.5] * (ROWS // 2)})
    by_arrow(data_page_version="2.0", use_dictionary=False)(flat, source)
    edited(source, lambda footer: footer.update({CREATED_BY: (11, b"parquet-cpp version 1.5.1-SNAPSHOT")}))
    noisy = pq.read_table(run(source, {"op": "gaussian_noise", "columns": "price", "rate": 1}))
    assert noisy["id"].equals(flat["id"])
    assert len(noisy["price"].unique()) == ROWS


def test_a_key_that_comes_twice_keeps_both_values(tmp_path: Path) -> None:
    pairs = [{KEY: (11, b"by"), VALUE: (11, b"one")}, {KEY: (11, b"by"), VALUE: (11, b"two")}, {KEY: (11, b"no value")}]
    source = tmp_path / "in.parquet"
    by_arrow()(table(), source)
    edited(source, lambda footer: footer[PAIRS][1][1].extend(pairs))
    with run(source, MISSING).open("rb") as file:
        found = Source(file, 0, Path(file.name).stat().st_size)
    assert found.footer[PAIRS][1][1][1:] == pairs


NO_LEAF: Struct = {LEAF: (8, 99), 2: (2, False), 3: (2, True)}


def test_what_a_footer_tells_in_another_type_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    by_arrow()(table(), source)
    edited(source, lambda footer: footer.update({ORDERS: (8, 7), CREATED_BY: (8, 7), 99: (8, 7)}))
    noisy = pq.read_table(run(source, MISSING))
    assert noisy.drop("price").equals(table().drop("price"))


LIES: dict[str, tuple[Callable[[Struct], object], str]] = {
    "over each other": (
        lambda footer: about(footer, 1, 0).update(about(footer, 0, 0)),
        "lie over each other",
    ),
    "beyond the end": (
        lambda footer: about(footer, 2, 7).update({PACKED: (10, 1 << 40)}),
        "outside of it|Invalid",
    ),
    "of negative size": (
        lambda footer: about(footer, 2, 7).update({PACKED: (10, -5)}),
        "over each other|Invalid",
    ),
    "sorted by nothing": (
        lambda footer: footer[GROUPS][1][1][0].update({SORTED_BY: (15, (12, [NO_LEAF]))}),
        "sorted by a column that it does not have",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_footer_that_lies_of_what_is_carried_is_refused(lie: str, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    by_arrow()(table(), source)
    edit, reason = LIES[lie]
    edited(source, edit)
    with pytest.raises(DataProblem, match=reason):
        run(source, MISSING)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_what_later_versions_of_the_format_add_is_carried(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    by_arrow()(table(), source)
    edited(source, lambda footer: about(footer, 1, 0).update({99: (12, {1: (11, b"of the future"), 7: (4, 12)})}))
    with run(source, MISSING).open("rb") as file:
        found = Source(file, 0, Path(file.name).stat().st_size)
    assert about(found.footer, 1, 0)[99] == (12, {1: (11, b"of the future"), 7: (4, 12)})
