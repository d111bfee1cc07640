"""Text tables of every make: what a transform strikes is written in the file's own way, all other bytes are carried."""

import csv
import gzip
import hashlib
import io
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisecli.columns import Column, Kind
from noisecli.engine import Slab, Struck
from noisecli.errors import DataProblem
from noisecli.formats import FOUND_OUT, Reading
from noisecli.formats import csv as csv_format
from noisecli.formats.cells import DELIMITERS
from noisecli.formats.csv import CsvFile

BOM = b"\xef\xbb\xbf"
New = Mapping[str, Callable[[str | None], str | None]]


@dataclass
class Result:
    """What reading, striking and writing one file gave."""

    data: bytes
    digest: str | None
    cells: dict[str, list[str | None]] = field(default_factory=dict)
    spellings: dict[str, dict[str, int]] = field(default_factory=dict)
    misfits: list[bool] = field(default_factory=list)


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Scan a file, write it with new cells of some columns, assemble it."""

    def call(
        data: bytes,
        new: New | None = None,
        *,
        name: str = "in.csv",
        order: Callable[[int], list[int]] | None = None,
        **reading: Any,
    ) -> Result:
        path, sink, target = tmp_path / name, tmp_path / "sink", tmp_path / f"out-{name}"
        path.write_bytes(data)
        told = Reading(**{"spool": tmp_path / "spool", **reading})
        names = list(CsvFile(path, name, told).fields())
        result = Result(b"", None, {name: [] for name in names})
        parts = []
        for part, slab in CsvFile(path, name, told).scan(names):
            parts.append(part)
            assert part.rows == slab.rows
            for column in names:
                result.cells[column] += slab.cells[column].to_pylist()
                for spelling, count in slab.null_spellings[column].items():
                    known = result.spellings.setdefault(column, {})
                    known[spelling] = known.get(spelling, 0) + count
            result.misfits += [False] * slab.rows if slab.misfits is None else slab.misfits.tolist()

        def transform(slab: Slab) -> Struck:
            rows = np.arange(slab.rows) if order is None else np.array(order(slab.rows))
            cells, changed = {}, {}
            for column, make in (new or {}).items():
                old = slab.cells[column].take(pa.array(rows)).to_pylist()
                cells[column] = pa.array([make(cell) for cell in old], pa.string())
                changed[column] = np.ones(len(rows), bool)
            return Struck(cells, changed, None if order is None else rows)

        columns = {
            name: Column(name, pa.string(), Kind.TEXT, null=common(result.spellings.get(name, {}))) for name in names
        }
        CsvFile(path, name, told).write(parts, columns, lambda slabs: map(transform, slabs), sink)
        result.digest = CsvFile(path, name, told).assemble([sink], target).content
        result.data = target.read_bytes()
        return result

    return call


def common(spellings: dict[str, int]) -> str:
    return max(spellings, key=lambda spelling: spellings[spelling]) if spellings else ""


def parsed(text: str, delimiter: str = ",") -> list[list[str]]:
    """What Python's own reader makes of it."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def raw_rows(data: bytes, delimiter: str) -> list[list[bytes]]:
    """Raw cells of text whose cells are wholly quoted or hold no quote."""
    cell = re.compile(rb'("(?:[^"]|"")*"|[^"%s\r\n]*)(%s|\r?\n|\Z)' % ((re.escape(delimiter.encode()),) * 2))
    rows: list[list[bytes]] = [[]]
    at = len(BOM) * data.startswith(BOM)
    while at < len(data):
        found = cell.match(data, at)
        assert found, data[at : at + 30]
        at = found.end()
        rows[-1].append(found[1])
        if found[2] != delimiter.encode():
            rows.append([])
    return rows[:-1]


# ---------------------------------------------------------------------------------------------------------- matrix

QUOTINGS = {
    "plain": '{name}{d}n{d}"x{d}y"\né1{d}2{d}\n 3{d}NA{d}b \n',
    "quoted": '"{name}"{d}"n"{d}"x{d}y"\n"é ""1"""{d}"2"{d}"{d}"\n"a\nb"{d}""{d}" b "\n',
    "stray": '{name}{d}n{d}"x{d}y"\né 5" pipe{d}2{d}a"b"c\n"q"t{d}"4"{d}"{d}"\n',
}
ENCODINGS = [None, "utf-8", "latin-1", "cp1252", "utf-16", "utf-16-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("quoting", QUOTINGS)
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_matrix(run: Run, delimiter: str, quoting: str, encoding: str | None) -> None:
    for bom, line_end, last in itertools.product([False, True], ["\n", "\r\n"], [False, True]):
        text = QUOTINGS[quoting].format(d=delimiter, name="s").replace("\n", line_end)
        text = text if last else text.removesuffix(line_end)
        if bom and encoding not in ("latin-1", "cp1252", "utf-16"):
            text = "\ufeff" + text
        data = text.encode(encoding or "utf-8")
        same = run(data, encoding=encoding)
        assert same.data == data
        assert list(same.cells) == ["s", "n", f"x{delimiter}y"]
        struck = run(data, {"n": lambda cell: f"a{delimiter}z"}, encoding=encoding).data
        before, after = (parsed(found.decode(encoding or "utf-8"), delimiter) for found in (data, struck))
        assert [row[:1] + row[2:] for row in before] == [row[:1] + row[2:] for row in after]
        assert [row[1] for row in after[1:]] == [f"a{delimiter}z"] * (len(after) - 1)
        if quoting != "stray" and encoding is None:
            old, new = (raw_rows(found, delimiter) for found in (data, struck))
            assert [row[:1] + row[2:] for row in old] == [row[:1] + row[2:] for row in new]


# ------------------------------------------------------------------------------------------------------- delimiters


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"a;b\n1,5;2,5\n", ["a", "b"]),
        (b"a\tb\n1\t2\n", ["a", "b"]),
        (b"a|b\n1|2\n", ["a", "b"]),
        (b"a;b,c\n1;2,3\n", ["a;b", "c"]),
        (b'"a,b";c\n"1,2";3\n', ["a,b", "c"]),
        (b"a;b,c;d\n1;2;3\n", ["a", "b,c", "d"]),
        (b"note\nhello; you\nme | too\n", ["note"]),
        (b"a;b\n1;2\n\n\n", ["a", "b"]),
        (b" a , b\n1,2\n", ["a", "b"]),
    ],
)
def test_the_delimiter_is_found_out(run: Run, data: bytes, names: list[str]) -> None:
    assert list(run(data).cells) == names


def test_the_delimiter_can_be_said(run: Run) -> None:
    result = run(b"a;b,c\n1;2,3\n", {"a": lambda _: "x;y,z"}, delimiter=";")
    assert result.data == b'a;b,c\n"x;y,z";2,3\n'


# ----------------------------------------------------------------------------------------------------- stray quotes

cells = st.text(st.sampled_from('ab" ,\n'), max_size=6)


def split(text: str) -> list[list[str]]:
    """Raw cells, found character by character."""
    rows: list[list[str]] = [[""]]
    state = "start"
    for mark in text:
        if state in ("start", "bare", "closed") and mark in ",\n":
            rows.append([""]) if mark == "\n" else rows[-1].append("")
            state = "start"
            continue
        rows[-1][-1] += mark
        if state in ("start", "closed"):
            state = "quoted" if mark == '"' else "bare"
        elif state == "quoted" and mark == '"':
            state = "closed"
    return rows[:-1]


def value(raw: str) -> str:
    """What a raw cell says."""
    if re.fullmatch(r'"(?:[^"]|"")*"', raw):
        return raw[1:-1].replace('""', '"')
    return raw.strip(" \t")


@given(body=st.lists(st.tuples(cells, cells), min_size=1, max_size=6), slab=st.sampled_from([16, 1000]))
def test_stray_quotes_agree_with_pythons_csv(run: Run, body: list[tuple[str, str]], slab: int) -> None:
    text = "s,t\n" + "".join(f"{a},{b}\n" for a, b in body) + 'x",y\n'
    rows = split(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_format, "SLAB_BYTES", slab)
        try:
            same = run(text.encode(), skip_errors=True, null_values=())
            struck = run(text.encode(), {"t": lambda _: "new"}, skip_errors=True, null_values=())
        except DataProblem as error:
            assert "never ends" in str(error)  # noqa: PT017
            return
    assert [len(row) for row in rows] == [max(len(row), 1) for row in parsed(text)]
    assert same.data == text.encode()
    assert same.misfits == [len(row) != 2 for row in rows[1:]]
    assert same.cells["s"] == [value(row[0]) if len(row) == 2 else None for row in rows[1:]]
    assert split(struck.data.decode()) == [rows[0], *([row[0], ANY] if len(row) == 2 else row for row in rows[1:])]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ('5" pipe', '5" pipe'),
        ('"a" b', '"a" b'),
        ('"a" "b"', '"a" "b"'),
        ('"a ""b"""', 'a "b"'),
        (' "a"', '"a"'),
        ('a""', 'a""'),
        ('""', ""),
        ('" a "', " a "),
    ],
)
def test_cells_not_wholly_quoted_are_literal(run: Run, cell: str, says: str) -> None:
    data = f'x,y\n{cell},1\n5",2\n'.encode()
    result = run(data, {"x": lambda old: f"{old}!"})
    assert result.cells["x"] == [says, '5"']
    assert parsed(result.data.decode())[1:] == [[f"{says}!", "1"], ['5"!', "2"]]


# ---------------------------------------------------------------------------------------------- header, nulls, blanks


@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("last", [b"", b"\n"])
def test_without_a_header_columns_go_by_position(run: Run, bom: bytes, last: bytes) -> None:
    result = run(bom + b"1;2\n3;4" + last, {"#2": lambda _: "x"}, header=False)
    assert result.cells == {"#1": ["1", "3"], "#2": ["2", "4"]}
    assert result.data == bom + b"1;x\n3;x" + last


def test_null_values_are_those_of_the_reading(run: Run) -> None:
    result = run(b"x,y\nNA,1\n-,2\n ,3\n-,4\n", {"x": lambda cell: None if cell == "NA" else "-"}, null_values=("-",))
    assert result.cells["x"] == ["NA", None, "", None]
    assert result.spellings == {"x": {"-": 2}}
    assert result.data == b'x,y\n-,1\n"-",2\n"-",3\n"-",4\n'


def test_a_gap_is_spelt_so_that_it_reads_back(run: Run) -> None:
    assert run(b"x,y\n1,2\n", {"x": lambda _: None}, null_values=("?",)).data == b"x,y\n?,2\n"


def test_padding_is_no_part_of_a_value(run: Run) -> None:
    data = b'x,y\n 1 ,a\n\t2,b\n NA ,c\n" 3 ",d\n  ,e\n4,f\n'
    result = run(data, {"x": lambda cell: {"1": "9", "2": None, "4": " b", None: "new"}.get(cell, cell)})
    assert result.cells["x"] == ["1", "2", None, " 3 ", None, "4"]
    assert result.spellings == {"x": {"NA": 1, "": 1}}
    assert result.data == b'x,y\n 9 ,a\nNA,b\n new ,c\n" 3 ",d\n  new,e\n" b",f\n'


def test_tabs_that_separate_do_not_pad(run: Run) -> None:
    result = run(b"x\ty\n1\t \n\t 2\n", {"y": lambda cell: "7"})
    assert result.cells == {"x": ["1", None], "y": [None, "2"]}
    assert result.data == b"x\ty\n1\t 7\n\t 7\n"


def test_a_padded_cell_that_needs_quotes_loses_its_padding(run: Run) -> None:
    assert run(b"x,y\n 1 ,2\n", {"x": lambda _: "a,b"}).data == b'x,y\n"a,b",2\n'


# ------------------------------------------------------------------------------------------------------ ragged rows

RAGGED = b"x,y\r\n1,2\r\n3\r\n\r\n4,5,6\r\n7,8\r\n\xff,,9"


def test_ragged_rows_are_refused_with_a_hint(run: Run) -> None:
    with pytest.raises(DataProblem, match=r"row 2 has 1 cells, the header 2: .*`on_error: skip`"):
        run(RAGGED)


@pytest.mark.parametrize("slab", [8, 1000])
def test_ragged_rows_are_carried(run: Run, monkeypatch: pytest.MonkeyPatch, slab: int) -> None:
    monkeypatch.setattr(csv_format, "SLAB_BYTES", slab)
    result = run(RAGGED, {"x": lambda _: "new", "y": lambda _: None}, skip_errors=True)
    assert result.misfits == [False, True, True, True, False, True]
    assert result.cells == {"x": ["1", None, None, None, "7", None], "y": ["2", None, None, None, "8", None]}
    assert result.spellings == {}
    assert result.data == b"x,y\r\nnew,\r\n3\r\n\r\n4,5,6\r\nnew,\r\n\xff,,9"


def test_ragged_rows_stay_whole_where_others_move(run: Run) -> None:
    result = run(RAGGED, {"x": lambda _: "new"}, skip_errors=True, order=lambda rows: [0, 0, 1, 2, 3, 4, 4, 5])
    assert result.data == b"x,y\r\nnew,2\r\nnew,2\r\n3\r\n\r\n4,5,6\r\nnew,8\r\nnew,8\r\n\xff,,9"


@given(widths=st.lists(st.integers(1, 4), min_size=1, max_size=12), slab=st.sampled_from([10, 1000]))
def test_any_ragged_file_is_carried(run: Run, widths: list[int], slab: int) -> None:
    rows = [",".join(f"{i}{k}" for k in range(width)) for i, width in enumerate(widths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_format, "SLAB_BYTES", slab)
        result = run(("x,y\n" + "\n".join(rows)).encode(), {"y": lambda _: "z"}, delimiter=",", skip_errors=True)
    expected = [row.split(",")[0] + ",z" if width == 2 else row for row, width in zip(rows, widths, strict=True)]
    assert result.data.decode() == "x,y\n" + "\n".join(expected)
    assert result.misfits == [width != 2 for width in widths]


# --------------------------------------------------------------------------------------------- compressed and encoded


def pack_zst(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def unpack_zst(data: bytes) -> bytes:
    return bytes(pa.CompressedInputStream(pa.BufferReader(data), "zstd").read())


PACKED = {".gz": (gzip.compress, gzip.decompress), ".zst": (pack_zst, unpack_zst)}


@pytest.mark.parametrize("encoding", [None, "latin-1"])
@pytest.mark.parametrize("suffix", PACKED)
def test_compressed_files_stay_compressed(run: Run, suffix: str, encoding: str | None) -> None:
    pack, unpack = PACKED[suffix]
    text = "x;é\n" + "".join(f"{i};ü\n" for i in range(1000))
    data = pack(text.encode(encoding or "utf-8"))
    result = run(data, {"x": lambda _: "0"}, name=f"in.csv{suffix}", encoding=encoding)
    expected = "x;é\n" + "0;ü\n" * 1000
    assert unpack(result.data).decode(encoding or "utf-8") == expected
    assert result.digest == hashlib.sha256(expected.encode()).hexdigest()
    assert run(data, {"x": lambda _: "0"}, name=f"in.csv{suffix}", encoding=encoding).data == result.data


@pytest.mark.parametrize("suffix", PACKED)
def test_files_of_several_compressed_pieces(run: Run, suffix: str) -> None:
    pack, unpack = PACKED[suffix]
    result = run(pack(b"x,y\n1,") + pack(b"2\n"), name=f"in.csv{suffix}")
    assert unpack(result.data) == b"x,y\n1,2\n"


def test_gzip_holds_no_time_and_no_name(run: Run) -> None:
    result = run(gzip.compress(b"x,y\n1,2\n"), name="in.csv.gz")
    assert result.data[3] == 0
    assert result.data[4:8] == bytes(4)


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("damage", ["cut", "other", "flipped"])
def test_damaged_compressed_files_are_named(run: Run, suffix: str, damage: str) -> None:
    good = PACKED[suffix][0](b"x,y\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(9000)))
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    data = {"cut": good[: len(good) // 2], "other": b"x,y\n1,2\n" * 9, "flipped": bytes(flipped)}[damage]
    with pytest.raises(DataProblem, match=rf"^in.csv{suffix}: ") as caught:
        run(data, name=f"in.csv{suffix}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_found_from_its_mark(run: Run, codec: str) -> None:
    text = "\ufeffx,y\r\né🙂,2\r\n"
    result = run(text.encode(codec), {"y": lambda _: "中"})
    assert result.cells["x"] == ["é🙂"]
    assert result.data == text.replace("2", "中").encode(codec)


@pytest.mark.parametrize(
    ("data", "reading", "message"),
    [
        (b"x,y\n\x81,2\n", {"encoding": "cp1252"}, "is not cp1252 text"),
        (b"x,y\n1,2\n", {"encoding": "klingon"}, "no encoding 'klingon'"),
        (b"x,y\n1,2\n", {"encoding": "hex"}, "no encoding 'hex'"),
        (b"x,y\n+AGE-,2\n", {"encoding": "utf-7"}, "would not be written back the same"),
        (b"\xff\xfex\x00,\x00y", {}, "is not utf-16-le text"),
    ],
)
def test_wrong_encodings_are_named(run: Run, data: bytes, reading: dict[str, Any], message: str) -> None:
    with pytest.raises(DataProblem, match=re.escape(message)) as caught:
        run(data, **reading)
    assert str(caught.value).startswith("in.csv: ")
    assert "\n" not in str(caught.value)


def test_text_that_the_encoding_cannot_hold_is_named(run: Run) -> None:
    with pytest.raises(DataProblem, match="cannot hold '中', which a step wrote"):
        run("x,y\né,2\n".encode("latin-1"), {"y": lambda _: "中"}, encoding="latin-1")


def test_text_across_blocks(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noisecli.formats.plain.BLOCK_BYTES", 3)
    data = "\ufeffx,y\né🙂é,2\n".encode("utf-16-le")
    assert run(data).data == data


def test_plain_files_are_read_where_they_are(run: Run, tmp_path: Path) -> None:
    run(b"x,y\n1,2\n")
    assert not (tmp_path / "spool").exists()


def test_one_plain_copy_serves_all(run: Run, tmp_path: Path) -> None:
    run("x,y\né,2\n".encode("latin-1"), encoding="latin-1")
    assert [path.read_bytes() for path in (tmp_path / "spool").iterdir()] == ["x,y\né,2\n".encode()]


def test_a_spool_of_its_own_goes_with_the_process(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("x,y\né,2\n".encode("utf-16"))
    script = (
        "import sys; from pathlib import Path; from noisecli.formats.csv import CsvFile;"
        "print(CsvFile(Path(sys.argv[1]), 'in.csv')._path, *CsvFile(Path(sys.argv[1]), 'in.csv').fields())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "in.csv")], capture_output=True, text=True, check=True
    )
    path, *names = done.stdout.split()
    assert names == ["x", "y"]
    assert not Path(path).parent.exists()
    assert FOUND_OUT.spool is None
