"""JSON Lines: values that no step struck keep their bytes, with everything around them."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noisecli.errors import DataProblem, NoiseError
from noisecli.formats import jsonl
from noisecli.manifest import verify
from noisecli.run import augment, execute, replay

BOM = b"\xef\xbb\xbf"
BLANK = re.compile(r"[ \t\r\n]*")

Noisy = Callable[..., bytes]
Members = list[tuple[str, str]]


# --------------------------------------------------------------------------------------------- an independent reading


def split(line: str) -> tuple[Members, list[str]]:
    """The members of the object on a line, values as written; and all that stands around the values."""
    members, around = [], []
    decoder = json.JSONDecoder()
    at, since = line.index("{") + 1, 0
    while True:
        at = BLANK.match(line, at).end()
        if line[at] == "}":
            return members, [*around, line[since:]]
        if line[at] == ",":
            at = BLANK.match(line, at + 1).end()
        key, at = decoder.raw_decode(line, at)
        start = BLANK.match(line, line.index(":", at) + 1).end()
        _, at = decoder.raw_decode(line, start)
        members.append((key, line[start:at]))
        around.append(line[since:start])
        since = at


def raw(data: bytes, column: str) -> list[str]:
    """The values of a column as written, where there are any."""
    return [value for line in rows(data) for key, value in split(line)[0] if key == column]


def rows(data: bytes) -> list[str]:
    return [line for line in data.decode("utf-8-sig").split("\n") if line.strip()]


def values(data: bytes, column: str) -> list[Any]:
    """What Python reads; `...` where a row has no such key."""
    return [json.loads(row).get(column, ...) for row in rows(data)]


def same_but(column: str, before: bytes, after: bytes) -> None:
    """Assert that only values of one column differ."""
    for line, other in zip(before.decode().split("\n"), after.decode().split("\n"), strict=True):
        if "{" not in line:
            assert line == other
            continue
        (old, around), (new, still_around) = split(line), split(other)
        assert around == still_around
        assert [key for key, _ in old] == [key for key, _ in new]
        assert [member for member in old if member[0] != column] == [member for member in new if member[0] != column]


# ------------------------------------------------------------------------------------------------------- files of all


@dataclass(frozen=True)
class Document:
    """A file and what its rows say."""

    data: bytes
    rows: list[dict[str, Any]]


words = st.text(st.sampled_from('abYZ09 ,"\\/{}[]:\n\t\x01\x7f\u2028é中🙂'), max_size=8)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


def spelt(draw: st.DrawFn, value: Any) -> str:
    """Write a value in one of the ways that JSON allows."""
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if isinstance(value, float) and draw(st.booleans()):
        text = f"{value:.3E}"
    return text.replace("/", "\\/") if isinstance(value, str) and draw(st.booleans()) else text


@st.composite
def documents(draw: st.DrawFn, struck: st.SearchStrategy[Any] = words) -> Document:
    """Files of any order of keys, spacing, escapes, line ends and ending; some rows have a `struck` of a kind."""
    names = draw(st.lists(words.filter(lambda word: word not in ("", "struck")), max_size=3, unique=True))
    line_end = draw(st.sampled_from(["\n", "\r\n", " \n"]))
    rows, lines = [], []
    for i in range(draw(st.integers(1, 8))):
        row = {name: draw(anything) for name in names if draw(st.booleans())}
        if i == 0 or draw(st.integers(0, 4)):
            row["struck"] = draw(struck if i == 0 else st.none() | struck)
        rows.append(row := {name: row[name] for name in draw(st.permutations(list(row)))})
        gap, pad = draw(st.sampled_from([("", ""), (" ", ""), ("  ", "\t"), ("\r", " ")]))
        members = (f"{pad}{spelt(draw, key)}{pad}:{gap}{spelt(draw, value)}{pad}" for key, value in row.items())
        lines.append(pad + "{" + f",{gap}".join(members) + "}")
        lines += [""] * (draw(st.integers(0, 9)) == 0)
    end = draw(st.sampled_from(["", line_end, line_end * 3, line_end + "  "]))
    mark = draw(st.sampled_from([b"", BOM]))
    return Document(mark + (line_end.join(lines) + end).encode(), rows)


@pytest.fixture
def noisy(tmp_path: Path) -> Noisy:
    """Run one step on the bytes of a file, and give those of the output."""

    def run(data: bytes, op: str, head: dict[str, Any] | None = None, name: str = "in.jsonl", **step: Any) -> bytes:
        (tmp_path / name).write_bytes(data)
        recipe = {"noisecli": 1, "seed": 3, **(head or {}), "steps": [{"op": op, **step}]}
        return augment(tmp_path / name, recipe, tmp_path / f"out-{name}", workers=1, force=True).output.read_bytes()

    return run


# --------------------------------------------------------------------------------------------------------- properties


@given(document=documents(anything))
def test_rate_0_gives_the_same_bytes(noisy: Noisy, document: Document) -> None:
    assert noisy(document.data, "missing", columns="struck", rate=0) == document.data


@given(document=documents(anything), rate=st.sampled_from([0.3, 1]))
def test_other_values_keep_their_bytes(noisy: Noisy, document: Document, rate: float) -> None:
    out = noisy(document.data, "missing", columns="struck", rate=rate)
    same_but("struck", document.data, out)
    for old, new in zip(document.rows, values(out, "struck"), strict=True):
        assert new is None if rate == 1 and "struck" in old else new is None or ("struck" in old) == (new is not ...)


@given(document=documents())
def test_new_text_reads_back_as_what_it_is(noisy: Noisy, document: Document) -> None:
    out = noisy(document.data, "category_swap", columns="struck", rate=1)
    same_but("struck", document.data, out)
    known = {row.get("struck") for row in document.rows} - {None}
    for old, new in zip((row.get("struck", ...) for row in document.rows), values(out, "struck"), strict=True):
        if old in (None, ...):
            assert new is old
        else:
            assert new in known
            assert new != old or len(known) == 1


@given(document=documents(st.integers(-9999, 9999) | st.decimals(-99, 99, places=2).map(float)))
def test_new_numbers_are_numbers_as_fine_as_the_others(noisy: Noisy, document: Document) -> None:
    out = noisy(document.data, "gaussian_noise", columns="struck", rate=1, sigma=50, unit="absolute")
    same_but("struck", document.data, out)
    whole = all(re.fullmatch("-?[0-9]+|null", text) for text in raw(document.data, "struck"))
    for old, new in zip((row.get("struck", ...) for row in document.rows), values(out, "struck"), strict=True):
        assert new is old if old in (None, ...) else type(new) in ((int,) if whole else (int, float))


@given(document=documents(anything), slab=st.sampled_from([1, 7, 64, 1000]))
@example(Document(b'{"struck":1}\n\n\n\n{"struck":2}\n\n', [{"struck": 1}, {"struck": 2}]), 1)
def test_small_slabs_give_the_same(noisy: Noisy, document: Document, slab: int) -> None:
    whole = noisy(document.data, "missing", columns="struck", rate=0.5)
    moved = noisy(document.data, "duplicate", rate=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "SLAB_BYTES", slab)
        patch.setattr(execute, "TASK_SLABS", 2)
        assert noisy(document.data, "missing", columns="struck", rate=0.5) == whole
        assert noisy(document.data, "duplicate", rate=0.5) == moved


@given(document=documents(), clones=st.integers(1, 3))
def test_clones_are_whole_rows(noisy: Noisy, document: Document, clones: int) -> None:
    out = noisy(document.data, "duplicate", rate=1, clones=clones)
    assert values(out, "struck") == [row.get("struck", ...) for row in document.rows for _ in range(clones + 1)]


@given(document=documents(), packing=st.sampled_from([".gz", ".zst"]))
def test_compressed_files_hold_the_same(noisy: Noisy, document: Document, packing: str) -> None:
    plain = noisy(document.data, "missing", columns="struck", rate=0.5)
    data = gzip.compress(document.data) if packing == ".gz" else pa.compress(document.data, "zstd", asbytes=True)
    out = noisy(data, "missing", columns="struck", rate=0.5, name=f"in.ndjson{packing}")
    if packing == ".gz":
        assert gzip.decompress(out) == plain
    else:
        assert pa.CompressedInputStream(pa.BufferReader(out), "zstd").read() == plain


# --------------------------------------------------------------------------------------------------- types of columns


def lines(*rows: dict[str, Any] | str) -> bytes:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


def kinds(data: bytes, folder: Path, **head: Any) -> dict[str, str]:
    """What the columns are found to be."""
    (folder / "in.jsonl").write_bytes(data)
    recipe = {"noisecli": 1, "seed": 1, **head, "steps": [{"op": "missing", "columns": "all", "rate": 0.5}]}
    found = augment(folder / "in.jsonl", recipe, folder / "out.jsonl", workers=1, force=True).manifest.facts.columns
    return {name: str(column.kind.value) for name, column in found.items()}


def test_json_says_what_is_text(tmp_path: Path) -> None:
    row = {"zip": "12345", "flag": "true", "day": "2026-03-01", "time": "2026-03-01T12:30:00Z", "null": "null"}
    row |= {"whole": 7, "real": 1.5, "mixed real": 1.5, "bool": True, "nothing": None, "empty": ""}
    row |= {"list": [1, 2], "object": {"a": 1}, "mixed": "x"}
    other = {**row, "mixed": 3, "mixed real": 2}
    assert kinds(lines(row, other), tmp_path) == {
        **dict.fromkeys(("zip", "flag", "null", "nothing", "empty"), "text"),
        **{"day": "date", "time": "datetime", "whole": "integer", "real": "float", "mixed real": "float"},
        **{"bool": "bool", "list": "other", "object": "other", "mixed": "other"},
    }


def test_columns_come_in_order_of_appearance(tmp_path: Path) -> None:
    data = lines({"b": 1, "a": 1}, '{"a": 1, "c": 2, "\\u0062": 5, "": 7}')
    assert list(kinds(data, tmp_path)) == ["b", "a", "c"]


def test_keys_are_the_same_however_they_are_written(noisy: Noisy) -> None:
    data = b'{"\xc3\xa9": 1}\n{"\\u00e9": 2}\n{"\\u00E9": 3}\n'
    out = noisy(data, "missing", columns="é", rate=1)
    assert out == b'{"\xc3\xa9": null}\n{"\\u00e9": null}\n{"\\u00E9": null}\n'


def test_a_type_may_be_said(noisy: Noisy) -> None:
    """Quotes stay around a number that is written as a string."""
    data = lines({"price": "12.50", "n": 1}, {"price": "9.95", "n": 2}, {"price": "n/a", "n": 3}, {"price": 1, "n": 4})
    with pytest.raises(NoiseError, match="takes float or integer columns; 'price' is other"):
        noisy(data, "gaussian_noise", columns="price", rate=1)
    head = {"data": {"types": {"price": "float"}}}
    out = noisy(data, "gaussian_noise", head, columns="price", rate=1, sigma=1, unit="absolute")
    same_but("price", data, out)
    first, second, third, fourth = raw(out, "price")
    assert all(re.fullmatch(r'"-?[0-9]+\.[0-9]{1,2}"', text) for text in (first, second))
    assert third == '"n/a"'
    assert re.fullmatch(r"-?[0-9.]+", fourth)


def test_numbers_as_text_become_strings_where_they_must(noisy: Noisy) -> None:
    data = lines(*({"zip": number} for number in range(10000, 10060)))
    out = noisy(data, "typo", {"data": {"types": {"zip": "text"}}}, columns="zip", rate=1)
    same_but("zip", data, out)
    new = values(out, "zip")
    assert {type(value) for value in new} == {int, str}
    assert all(str(value) != str(old) for value, old in zip(new, values(data, "zip"), strict=True))


@pytest.mark.parametrize("value", ["[1, 2]", '{"a": {"b": []}}', '"text"'])
def test_nested_and_mixed_columns_can_only_be_made_missing(noisy: Noisy, value: str) -> None:
    data = f'{{"x": 1, "y": 1}}\n{{"x": {value}, "y": 1}}\n{{"y": 2}}\n'.encode()
    assert noisy(data, "missing", columns="x", rate=1) == b'{"x": null, "y": 1}\n{"x": null, "y": 1}\n{"y": 2}\n'
    for op in ("typo", "category_swap", "gaussian_noise"):
        with pytest.raises(NoiseError, match="'x' is other"):
            noisy(data, op, columns="x", rate=1)
    same_but("y", data, noisy(data, "gaussian_noise", columns="numeric", rate=1))


def test_flags_stay_flags(noisy: Noisy) -> None:
    data = lines({"ok": True}, {"ok": False}, {"ok": None}, {})
    assert noisy(data, "category_swap", columns="ok", rate=1) == lines({"ok": False}, {"ok": True}, {"ok": None}, {})


def test_numbers_keep_their_resolution(noisy: Noisy) -> None:
    data = lines(*(f'{{"a":{i}.50,"b":{i}E-1,"c":{i},"d":{i / 7}}}' for i in range(1, 50)))
    found = {name: noisy(data, "gaussian_noise", columns=name, rate=1, sigma=0.9) for name in "abcd"}
    assert all(re.fullmatch(r"-?[0-9]+\.[0-9]{2}", text) for text in raw(found["a"], "a"))
    assert all(re.fullmatch(r"-?[0-9]+(\.[0-9]|E-1)", text) for text in raw(found["b"], "b"))
    assert all(re.fullmatch(r"-?[0-9]+", text) for text in raw(found["c"], "c"))
    assert all(repr(float(text)) == text for text in raw(found["d"], "d"))


def test_nan_and_infinity_as_python_writes_them(noisy: Noisy) -> None:
    data = lines('{"x": NaN, "y": 1}', '{"x": Infinity, "y": 1}', '{"x": -Infinity}', *({"x": i} for i in range(9)))
    out = noisy(data, "gaussian_noise", columns="x", rate=1, sigma=3)
    same_but("x", data, out)
    assert raw(out, "x")[:3] == ["NaN", "Infinity", "-Infinity"]
    assert not set(raw(out, "x")[3:]) & {"NaN", "Infinity"}


# ---------------------------------------------------------------------------------------------- like every other table


@pytest.fixture
def twin(tmp_path: Path, sample: Path) -> Path:
    """The sample table as JSON Lines, with every number as the CSV writes it."""
    names, *cells = list(csv.reader(io.StringIO((sample / "customers.csv").read_text())))
    table = pandas.read_csv(sample / "customers.csv")
    numeric = {name for name in names if pandas.api.types.is_numeric_dtype(table[name])}
    with (tmp_path / "customers.jsonl").open("w") as file:
        for row in cells:
            members = (
                f"{json.dumps(name)}: {cell if cell and name in numeric else json.dumps(cell or None)}"
                for name, cell in zip(names, row, strict=True)
            )
            file.write(f"{{{', '.join(members)}}}\n")
    return tmp_path / "customers.jsonl"


STEPS = [
    {"op": "gaussian_noise", "columns": "numeric", "sigma": 0.3, "rate": 0.5, "where": {"age": {"gt": 30}}},
    {
        "op": "typo",
        "columns": "text",
        "rate": 0.2,
        "where": {"note": {"null": False}, "signup_date": {"gt": "2020-01-01"}},
    },
    {"op": "category_swap", "columns": "category", "rate": 0.3},
    {"op": "missing", "columns": "all", "rate": 0.1},
    {"op": "label_flip", "rate": 0.2},
    {"op": "duplicate", "rate": 0.05},
]
ROLES = {"id": "customer_id", "label": "churn", "split": "split"}
RECIPE = {"noisecli": 1, "seed": 4, "copies": 2, "data": ROLES, "steps": STEPS}


def as_csv(data: bytes) -> list[list[str]]:
    """The cells that a CSV would hold."""
    found = (dict(split(row)[0]) for row in rows(data))
    return [
        ["" if text == "null" else json.loads(text) if text[0] == '"' else text for text in row.values()]
        for row in found
    ]


def test_what_is_struck_is_what_would_be_in_a_csv(twin: Path, sample: Path, tmp_path: Path) -> None:
    """Roles, conditions, facts, quotas and clones included."""
    a = augment(sample / "customers.csv", RECIPE, tmp_path / "a")
    b = augment(twin, RECIPE, tmp_path / "b")
    assert a.manifest.steps == b.manifest.steps
    for copy in ("copy=1", "copy=2"):
        _, *cells = list(csv.reader(io.StringIO((a.output / copy / "customers.csv").read_text(), newline="")))
        assert as_csv((b.output / copy / "customers.jsonl").read_bytes()) == cells
        assert cells != as_csv(twin.read_bytes())


def test_others_read_it(twin: Path, tmp_path: Path) -> None:
    steps = [step for step in STEPS if step["op"] != "missing"]  # which would make floats of integers
    out = augment(twin, {**RECIPE, "copies": 1, "steps": steps}, tmp_path / "out.jsonl").output
    before, after = (pandas.read_json(path, lines=True) for path in (twin, out))
    assert list(before.dtypes) == list(after.dtypes)
    assert len(after) > len(before)
    held_out = [frame[frame.split != "train"].reset_index(drop=True) for frame in (before, after)]
    pandas.testing.assert_frame_equal(*held_out)


def test_manifests_verify_and_replay(twin: Path, tmp_path: Path) -> None:
    done = augment(twin, RECIPE, tmp_path / "out")
    manifest, faults = verify(done.output, twin)
    assert (faults, {entry.rows for entry in manifest.inputs}) == ([], {len(rows(twin.read_bytes()))})
    again, other_bytes, other_content = replay(done.manifest_path, twin, tmp_path / "again")
    assert (other_bytes, other_content) == ([], [])
    assert again.manifest_path.read_bytes() == done.manifest_path.read_bytes()


def test_cuts_change_nothing(twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = augment(twin, RECIPE, tmp_path / "usual")
    monkeypatch.setattr(jsonl, "SLAB_BYTES", 60_000)
    monkeypatch.setattr(execute, "TASK_SLABS", 2)
    other = augment(twin, RECIPE, tmp_path / "other")
    assert other.manifest_path.read_bytes() == usual.manifest_path.read_bytes()


def test_the_number_of_workers_changes_nothing(twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large.jsonl"
    large.write_bytes(twin.read_bytes() * (1 + 9_000_000 // twin.stat().st_size))
    monkeypatch.setattr(execute, "TASK_SLABS", 1)
    recipe = {"noisecli": 1, "seed": 4, "steps": STEPS[2:4]}
    one, two = (augment(large, recipe, tmp_path / f"{n}" / "out.jsonl", workers=n) for n in (1, 2))
    assert two.manifest_path.read_bytes() == one.manifest_path.read_bytes()


def test_folders_of_shards_and_of_other_tables(twin: Path, tmp_path: Path, sample: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, data in {"b.ndjson": twin.read_bytes(), "test.jsonl": twin.read_bytes()}.items():
        (folder / name).write_bytes(data)
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(twin.read_bytes(), 6, mtime=0))
    (folder / "c.csv").write_bytes((sample / "customers.csv").read_bytes())
    done = augment(folder, {**RECIPE, "copies": 1}, tmp_path / "out")
    assert {entry.path: entry.carried for entry in done.manifest.outputs} == {
        "a.jsonl.gz": False,
        "b.ndjson": False,
        "c.csv": False,
        "test.jsonl": True,
    }


# --------------------------------------------------------------------------------------------------------------- faults

GOOD = b'{"x": 1, "y": "a"}\n'


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"x": 1,}', "is no JSON object on one line"),
        (b'{"x": 01}', "is no JSON object on one line"),
        (b'{"x": 1', "is no JSON object on one line"),
        (b'{"x": "1}', "is no JSON object on one line"),
        (b'{"x": 1}}', "is no JSON object on one line"),
        (b'{"x": 1} {"x": 2}', "is no JSON object on one line"),
        (b'{"x": 1},', "is no JSON object on one line"),
        (b'{"x": 1}, {"x": 2}', "is no JSON object on one line"),
        (b"}{", "is no JSON object on one line"),
        (b'"x": 1', "is no JSON object on one line"),
        (b'{"x": [1}, "y": 2]', "is no JSON object on one line"),
        (b'{"x": "a\tb"}', "is no JSON object on one line"),
        (b'{"x": "\\"}', "is no JSON object on one line"),
        (b'{"x": \\"1"}', "is no JSON object on one line"),
        (b'{"x": "\\ud83d"}', "holds half of a surrogate pair, which is no text"),
        (b'{"x": tru}', "is no JSON object on one line"),
        (b"x", "is no JSON object on one line"),
        (b"[" * 5000 + b"]" * 5000, "is no JSON object on one line"),
        (b"[1, 2]", "is valid JSON, but no object"),
        (b"12", "is valid JSON, but no object"),
        (b'"{"', "is valid JSON, but no object"),
        (b"null", "is valid JSON, but no object"),
        (b'{"x": 1, "y": 2, "x": 1}', "has a key twice"),
        (b'{"x": 1, "\\u0078": 1}', "has a key twice"),
        (b'{"x": "\xff"}', "is not UTF-8 text"),
        (b'{"x": "\xc3"}', "is not UTF-8 text"),
    ],
)
def test_a_bad_row_is_named_or_carried(noisy: Noisy, tmp_path: Path, line: bytes, why: str) -> None:
    data = GOOD + b"\n" + GOOD + line + b"\n" + GOOD
    with pytest.raises(DataProblem, match=f"^in.jsonl: row 3 {re.escape(why)}: mend or remove it, or carry"):
        noisy(data, "missing", columns="x", rate=1)
    out = noisy(data, "missing", {"on_error": "skip"}, columns="x", rate=1)
    struck = GOOD.replace(b"1", b"null")
    assert out == struck + b"\n" + struck + line + b"\n" + struck
    manifest = json.loads((tmp_path / "out-in.jsonl.noisecli.json").read_text())
    assert [entry["why"] for entry in manifest["skipped"]] == ["rows that are no JSON object: 1 (row 3)"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (BOM + b" \r\n\n", "empty"),
        (b"[" + GOOD.strip() + b", " + GOOD.strip() + b"]\n", "is a JSON array, not JSON Lines"),
        (b"\n [\n" + GOOD + b"]\n", "is a JSON array, not JSON Lines"),
        (json.dumps(json.loads(GOOD), indent=2).encode(), "row 1 is no JSON object on one line"),
        (b"{}\n{}\n", "no row is a JSON object with a key"),
        (b'{"": 1}\n', "no row is a JSON object with a key"),
        (b"\x1f\x8b\x08\x00", "row 1 is not UTF-8 text"),
    ],
)
def test_what_is_no_json_lines(noisy: Noisy, data: bytes, why: str) -> None:
    with pytest.raises(DataProblem, match=f"^in.jsonl: {re.escape(why)}"):
        noisy(data, "missing", columns="x", rate=1)


def test_an_array_is_not_skipped(noisy: Noisy) -> None:
    with pytest.raises(DataProblem, match="is a JSON array"):
        noisy(b"[\n" + GOOD + b"]\n", "missing", {"on_error": "skip"}, columns="x", rate=1)
    with pytest.raises(DataProblem, match="no row is a JSON object"):
        noisy(b"{\n}\n", "missing", {"on_error": "skip"}, columns="x", rate=1)


def test_a_row_may_not_be_endless(noisy: Noisy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "SLAB_BYTES", 1000)
    monkeypatch.setattr(jsonl, "MAX_ROW_BYTES", 3 << 20)
    data = GOOD + b'{"x": "' + b"a" * (4 << 20) + b'"}\n'
    with pytest.raises(DataProblem, match="the row at byte 19 is over 3 MB"):
        noisy(data, "missing", columns="x", rate=1)


@pytest.mark.parametrize("setting", [{"delimiter": ";"}, {"header": False}, {"null_values": ["NA"]}])
def test_what_is_only_about_csv_is_refused(noisy: Noisy, setting: dict[str, Any]) -> None:
    with pytest.raises(NoiseError, match="is about CSV files"):
        noisy(GOOD, "missing", {"data": setting}, columns="x")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings(noisy: Noisy, encoding: str) -> None:
    text = '{"x": "é"}\n{"x": "ü"}\n'
    out = noisy(text.encode(encoding), "category_swap", {"data": {"encoding": encoding}}, columns="x", rate=1)
    assert out == '{"x": "ü"}\n{"x": "é"}\n'.encode(encoding)


def test_a_pipe_is_not_taken_for_csv(
    command: Callable[..., Any], recipe: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GOOD)))
    out = command("augment", "-", "-r", recipe("op: missing, columns: y"), "-o", "-")
    assert (out.code, out.errors) == (
        2,
        ["error: -: a pipe carries plain CSV, and this is JSON Lines: name the file"],
    )


def test_the_command_line(command: Callable[..., Any], recipe: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in.NDJSON").write_bytes(GOOD)
    out = command(
        "augment", tmp_path / "in.NDJSON", "-r", recipe("op: missing, columns: y, rate: 1"), "-o", tmp_path / "o.ndjson"
    )
    assert (out.code, (tmp_path / "o.ndjson").read_bytes()) == (0, b'{"x": 1, "y": null}\n')
    assert "JSON Lines" in command("augment", "--help").out


def test_a_row_is_too_long_wherever_it_lies(noisy: Noisy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "SLAB_BYTES", 1000)
    monkeypatch.setattr(jsonl, "MAX_ROW_BYTES", 1 << 20)
    long = b'{"x": "' + b"a" * (1 << 20) + b'"}\n'
    for data in (long + GOOD, GOOD + long + GOOD, GOOD + long):
        with pytest.raises(DataProblem, match=f"the row at byte {data.index(long)} is over 1 MB"):
            noisy(data, "missing", columns="x", rate=1)
