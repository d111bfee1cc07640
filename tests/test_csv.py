"""CSV: cells that no step struck keep their bytes, struck ones are written as the column writes its own."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import pyarrow.csv
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from noisecli.errors import DataProblem
from noisecli.formats import csv as csv_format
from noisecli.run import augment

Rows = Callable[[bytes], list[tuple[bytes, ...]]]
Noisy = Callable[..., bytes]

NULLS = ["", "NA", "N/A", "NaN", "null", "NULL", "None"]
NEWLINES = pyarrow.csv.ParseOptions(newlines_in_values=True)
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Table:
    """A CSV as bytes, and what its cells say."""

    data: bytes
    names: list[str]
    rows: list[list[str | None]]


def raw(text: str, quote: bool) -> str:
    if quote or re.search('[",\r\n]', text):
        return '"' + text.replace('"', '""') + '"'
    return text


def meaning(cell: bytes) -> str | None:
    text = cell.decode()
    if text.startswith('"'):
        return text[1:-1].replace('""', '"')
    text = text.strip(" \t")
    return None if text in NULLS else text


words = st.text(st.sampled_from("abYZ09 ,\"\n'.;é中🙂\t"), max_size=8)
numbers = st.from_regex(r"\A[-+]?(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?([eE][-+]?[0-3])?\Z")
texts = words | st.sampled_from([*NULLS, "null ", "true", "2020-01-01", "007", "1,5"])


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str] = texts) -> Table:
    """Tables of any width, quoting, line end and ending; a column of plain words called `struck` is among them."""
    others = draw(st.integers(0, 3))
    place = draw(st.integers(0, others))
    names = [f'"c,{i}"' if i % 2 else f"c{i}" for i in range(others)]
    names.insert(place, "struck")
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    cell = st.tuples(cells, st.booleans())
    written, rows = [names], []
    for _ in range(draw(st.integers(1, 12))):
        found = draw(st.lists(cell, min_size=others + 1, max_size=others + 1))
        if others == 0 and found[0] == ("", False):
            found = [("", True)]  # a blank line: Python's csv would skip it
        written.append([raw(text, quote) for text, quote in found])
        rows.append([meaning(raw(text, quote).encode()) for text, quote in found])
    text = line_end.join(",".join(row) for row in written)
    end = draw(st.sampled_from(["", line_end] if others == 0 else ["", line_end, line_end * 3]))
    bom = draw(st.sampled_from([b"", BOM]))
    return Table(bom + text.encode() + end.encode(), names, rows)


@pytest.fixture
def noisy(tmp_path: Path) -> Noisy:
    """Run one step on the bytes of a CSV, and give those of the output."""

    def run(data: bytes, op: str, **step: Any) -> bytes:
        (tmp_path / "in.csv").write_bytes(data)
        recipe = {"noisecli": 1, "seed": 3, "steps": [{"op": op, **step}]}
        return augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv", workers=1, force=True).output.read_bytes()

    return run


def column(rows: list[tuple[bytes, ...]], number: int) -> list[bytes]:
    return [row[number] for row in rows if len(row) > number + 1]


def parsed(data: bytes) -> list[list[str]]:
    """What Python's own reader makes of it."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


# ------------------------------------------------------------------------------------------------------ properties


@given(table=tables())
def test_rate_0_gives_the_same_bytes(noisy: Noisy, table: Table) -> None:
    assert noisy(table.data, "missing", columns="struck", rate=0) == table.data


@given(table=tables(), rate=st.sampled_from([0.3, 1]))
def test_other_cells_keep_their_bytes(noisy: Noisy, rows_of: Rows, table: Table, rate: float) -> None:
    number = table.names.index("struck")
    out = noisy(table.data, "missing", columns="struck", rate=rate)
    assert len(parsed(out)) == len(parsed(table.data))
    before, after = rows_of(table.data), rows_of(out)
    for old, new in zip(before, after, strict=True):
        assert old[:number] == new[:number]
        assert old[number + 1 :] == new[number + 1 :]
        if rate == 1 and len(old) > number + 1 and b"struck" not in old[number]:
            assert meaning(new[number]) is None


@given(table=tables())
def test_new_text_reads_back_as_what_it_is(noisy: Noisy, rows_of: Rows, table: Table) -> None:
    number = table.names.index("struck")
    assume(any((row[number] or "1")[0].isalpha() for row in table.rows))  # not a column of dates
    out = noisy(table.data, "category_swap", columns="struck", rate=1)
    known = {row[number] for row in table.rows} - {None}
    assert len(parsed(out)) == len(parsed(table.data))
    result = [meaning(row[number]) for row in rows_of(out)[1 : len(table.rows) + 1]]
    for old, new in zip((row[number] for row in table.rows), result, strict=True):
        assert new is None if old is None else new in known
        assert old is None or new != old or len(known) == 1


@given(table=tables(), slab=st.sampled_from([64, 97, 1000]))
def test_small_slabs_give_the_same(noisy: Noisy, table: Table, slab: int) -> None:
    whole = noisy(table.data, "missing", columns="struck", rate=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_format, "SLAB_BYTES", slab)
        assert noisy(table.data, "missing", columns="struck", rate=0.5) == whole


@given(table=tables(), times=st.integers(1, 3))
def test_duplicates_are_whole_rows(noisy: Noisy, rows_of: Rows, table: Table, times: int) -> None:
    out = noisy(table.data, "duplicate", rate=1, clones=times)
    before, after = rows_of(table.data), rows_of(out)
    rows = len(table.rows)
    assert [row[:-1] for row in after[1 : 1 + rows * (times + 1)]] == [
        row[:-1] for row in before[1 : rows + 1] for _ in range(times + 1)
    ]
    assert [row[-1] for row in after[:-1]].count(b"") == 0
    assert after[-1][-1] == before[-1][-1]
    assert len(out) - len(out.rstrip(b"\r\n")) == len(table.data) - len(table.data.rstrip(b"\r\n"))


@given(cells=st.lists(numbers, min_size=1, max_size=20), sigma=st.sampled_from([0.01, 1, 1e6]))
def test_struck_numbers_are_numbers_of_the_same_resolution(
    noisy: Noisy, rows_of: Rows, cells: list[str], sigma: float
) -> None:
    data = ("x,y\n" + "".join(f"{cell},z\n" for cell in cells)).encode()
    out = noisy(data, "gaussian_noise", columns="x", sigma=sigma, unit="absolute")
    finest = max(max(0, -Decimal(cell).as_tuple().exponent) for cell in cells)  # type: ignore[operator]
    for old, new in zip(cells, column(rows_of(out), 0)[1:], strict=True):
        assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", new.decode()) or new.decode() == old
        assert new.decode() == old or -Decimal(new.decode()).as_tuple().exponent <= finest  # type: ignore[operator]
        assert abs(Decimal(new.decode()) - Decimal(old)) < 8 * Decimal(sigma) + 1


# --------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("cells", "pattern"),
    [
        (["1.50", "2.25", "3.00"], r"-?\d+\.\d{2}"),
        (["1.5", "2.25", "3"], r"-?\d+(\.\d?[1-9])?"),
        (["1", "22", "-3"], r"-?\d+"),
        (["+1.5", "+2.5", "0.0"], r"-?\d+\.\d"),
        (["1e-3", "2.5e-3", "0.001"], r"-?\d+(\.\d{0,3}[1-9])?"),
        (["1e3", "2E+3", "4000"], r"-?\d+"),
        (["100000000000000000000", "1e20", "3"], r"-?\d+"),
        (['"1.5"', '"2.5"', '"3.5"'], r'"-?\d+\.\d"'),
    ],
)
def test_decimals_are_kept(noisy: Noisy, rows_of: Rows, cells: list[str], pattern: str) -> None:
    data = ("id,x\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells * 40))).encode()
    after = column(rows_of(noisy(data, "gaussian_noise", columns="x", sigma=0.5)), 1)[1:]
    struck = [new.decode() for new, old in zip(after, cells * 40, strict=True) if new.decode() != old]
    assert len(struck) > 60
    assert all(re.fullmatch(pattern, cell) for cell in struck), struck[:9]


def test_a_few_cells_that_are_no_numbers_are_carried(noisy: Noisy, rows_of: Rows) -> None:
    cells = [f"{i}.5" for i in range(300)]
    cells[40], cells[80] = "unknown", " 7"
    out = noisy(("x\n" + "\n".join(cells) + "\n").encode(), "gaussian_noise", columns="x")
    after = [cell.decode() for cell in column(rows_of(out), 0)[1:]]
    assert [i for i, (old, new) in enumerate(zip(cells, after, strict=True)) if old == new] == [40]
    assert after[80].startswith(" ")


@pytest.mark.parametrize("bad", [["x", "y", "z"], ["007", "008", "009"], ["1,5", "2,5", "3,5"], ["1_0", "0x1", "inf"]])
def test_more_of_them_make_the_column_text(noisy: Noisy, bad: list[str]) -> None:
    data = "x\n" + "\n".join(raw(cell, False) for cell in [*bad, *(str(i) for i in range(190))]) + "\n"
    with pytest.raises(Exception, match=r"takes float or integer columns; 'x' is text"):
        noisy(data.encode(), "gaussian_noise", columns="x")


# ------------------------------------------------------------------------------------------------- missing and text


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([], b""),
        (["NA"], b"NA"),
        (["", "NULL", "NULL"], b"NULL"),
        (["", "NaN"], b""),
        (['"NA"', '"NA"', "N/A"], b"N/A"),
    ],
)
def test_a_new_gap_is_spelt_like_the_others(noisy: Noisy, rows_of: Rows, gaps: list[str], expected: bytes) -> None:
    cells = [*gaps, *"abcdef"]
    data = "id,x\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
    out = column(rows_of(noisy(data.encode(), "missing", columns="x", rate=1)), 1)[1:]
    assert out[len(gaps) :] == [expected] * 6
    assert [cell for cell, old in zip(out, gaps, strict=False) if old in NULLS] == [
        c.encode() for c in gaps if c in NULLS
    ]


@pytest.mark.parametrize("data", [b"x\n1\n2", b"x\n1\n2\n", b'x\n1\n"2"'])
def test_a_gap_in_a_single_column_leaves_its_row(noisy: Noisy, data: bytes) -> None:
    assert len(parsed(noisy(data, "missing", columns="x", rate=1))) == 3


def test_a_gap_spelt_as_a_number_is_none(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"x\n2\n-999.25\n4\n3\n")
    step = {"op": "constant", "columns": "x", "value": "mean", "rate": 1}
    recipe = {"noisecli": 1, "seed": 3, "data": {"null_values": ["-999.25"]}, "steps": [step]}
    assert augment(tmp_path / "in.csv", recipe, tmp_path / "out.csv").output.read_bytes() == b"x\n3\n-999.25\n3\n3\n"


def test_text_that_looks_missing_is_quoted(noisy: Noisy, rows_of: Rows) -> None:
    data = b'id,x\n1,"NA"\n2,b\n3,"NA"\n4,b\n5,""\n6,b\n'
    out = column(rows_of(noisy(data, "category_swap", columns="x", rate=1)), 1)[1:]
    assert set(out) <= {b'"NA"', b'""', b"b", b'"b"'}
    assert all(new != old for new, old in zip(out, column(rows_of(data), 1)[1:], strict=True))


def test_text_that_needs_quotes_gets_them(noisy: Noisy, rows_of: Rows) -> None:
    data = b'x,y\n"a,b",1\nc,2\n"d ""e""",3\n"f\ng",4\n'
    out = noisy(data, "category_swap", columns="x", rate=1)
    assert {row[0] for row in parsed(out)[1:]} <= {"a,b", "c", 'd "e"', "f\ng"}
    assert [row[1] for row in rows_of(out)] == [b"y", b"1", b"2", b"3", b"4"]


def test_quoted_cells_stay_quoted(noisy: Noisy, rows_of: Rows) -> None:
    data = b"x\n" + b"".join(b'"w%d"\n' % i if i % 2 else b"w%d\n" % i for i in range(40))
    out = column(rows_of(noisy(data, "typo", columns="x", rate=1)), 0)[1:]
    assert all(cell.startswith(b'"') for cell in out[1::2])


# ------------------------------------------------------------------------------------------------------- structure


@pytest.mark.parametrize(
    "data",
    [
        b"x\n1\n2",
        b"x\r\n1\r\n2",
        b"x\n1\n\n3\n",
        b"x,y\n1,2\n\n\n",
        b"x,y\r\n1,2\r\n\r\n",
        b"x,y\n1,\n,2",
        b"x,x,\n1,2,3\n",
        b'"x\ny",z\n1,2\n',
        BOM + b'"x",z\n1,2\n',
        b"x,y\n1,2\r\n3,4\n",
    ],
)
def test_odd_structure_is_carried(noisy: Noisy, data: bytes) -> None:
    assert noisy(data, "missing", columns="*", rate=0) == data
    assert noisy(data, "duplicate", rate=1e-9) == data


def test_columns_without_a_name_of_their_own_go_by_position(noisy: Noisy) -> None:
    assert noisy(b"x,x,\n1,2,3\n", "missing", columns=["#2", "#3"], rate=1) == b"x,x,\n1,,\n"


def test_names_are_read_without_quotes_and_bom(noisy: Noisy) -> None:
    assert noisy(BOM + b'"a ""b""",c\n1,2\n', "missing", columns='a "b"', rate=1) == BOM + b'"a ""b""",c\n,2\n'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (BOM, "empty"),
        (b"x,y", "has a header but no rows"),
        (b"x,y\n", "has a header but no rows"),
        (b"x,y\r\n\r\n\r\n", "has a header but no rows"),
        (b"x,y\n1,2\n3\n", "row 2 has 1 cells, the header 2"),
        (b"x,y\n1,2,3\n", "row 1 has 3 cells, the header 2"),
        (b"x,y\n1,2\n\n3,4\n", "row 2 has 1 cells, the header 2"),
        (b'x,y\n1,2\n3,"4\n', "a quote opened in or after row"),
        (b'"x,y\n1,2\n', "the header opens a quote that never ends"),
        (b"x,y\n\xff\xfe,2\n", "column 'x' is not UTF-8 text"),
        (b"\xffx,y\n1,2\n", "the header is not UTF-8 text"),
        (b"\xff\xfex,y\n1,2\n1", "is not utf-16-le text"),
        ("x,y\n1,2\n".encode("utf-16-le"), "not a UTF-8 text file"),
        (b"PK\x03\x04\x00\x00", "not a UTF-8 text file"),
    ],
)
def test_broken_files_are_named(noisy: Noisy, data: bytes, message: str) -> None:
    with pytest.raises(DataProblem, match=re.escape(message)) as caught:
        noisy(data, "missing", columns=["*"], rate=0.5)
    assert str(caught.value).startswith("in.csv: ")
    assert "\n" not in str(caught.value)


def test_outputs_load_with_the_same_types(sample: Path, tmp_path: Path) -> None:
    steps = [
        {"op": "gaussian_noise", "columns": "numeric"},
        {"op": "typo", "columns": ["name", "note"]},
        {"op": "missing", "columns": ["age", "email", "signup_date"]},
        {"op": "duplicate"},
    ]
    done = augment(sample / "customers.csv", {"noisecli": 1, "seed": 1, "steps": steps}, tmp_path / "out.csv")
    rows = done.manifest.outputs[0].rows
    before, after = (pandas.read_csv(path) for path in (sample / "customers.csv", done.output))
    assert len(after) == rows == pyarrow.csv.read_csv(done.output, parse_options=NEWLINES).num_rows
    assert (before.dtypes == after.dtypes).all()


NUMBERS = [
    *["0", "-0", "7", "-7", "10", "99999999", "-12345678", "123456789", "-1234567890123", "+3", "2e3", "-15E-1"],
    *["0.5", "-0.25", "0.0000001", "-0.1234567", "9999999.9999999", "-12345678.1234567", "100000000.5", "1.50", "+0.1"],
]


NO_NUMBERS = ["no number", "5.", ".5", "-", "-.5", "1.2.3", "1..5", "007", "--5", "1-", "12:5", "1/2"]


@pytest.mark.parametrize("more", [[], ["0.00000001"], NO_NUMBERS])
def test_numbers_of_any_length_and_spelling_are_read_and_written_exactly(noisy: Noisy, more: list[str]) -> None:
    """Those of a few digits go another way than all others, whatever stands beside them."""
    cells = [*NUMBERS * 60, *more]
    made = noisy(b"x\n" + "".join(f"{cell}\n" for cell in cells).encode(), "sign_flip", columns="x", rate=1)
    for before, after in zip(cells, made.decode().splitlines()[1:], strict=True):
        if before in NO_NUMBERS or Decimal(before) == 0:
            assert after == before
        else:
            text = format(-Decimal(before), "f")
            assert after == (text.rstrip("0").rstrip(".") if "." in text else text)
