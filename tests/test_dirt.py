"""Dirt in finished CSV files, from the command line and from Python."""

import gzip
import re

import pyarrow.parquet as pq
import pytest

import noisecli
from noisecli.formats import csv as csv_format
from noisecli.formats import spliced
from noisecli.run import augment, execute

ROWS = "ragged_row", "broken_quote", "mixed_delimiter", "mixed_line_ends", "repeated_header", "blank_lines"
BY_ROW = [*({"op": name} for name in ROWS), {"op": "wrong_encoding"}]
BY_CELL = [
    {"op": "decimal_comma", "columns": "x"},
    {"op": "thousands_separator", "columns": "x"},
    {"op": "units_in_values", "columns": ["x", "n"], "unit": " kg"},
]
BY_FILE = [
    {"op": name}
    for name in ("bom", "reorder_columns", "duplicate_column", "rename_column", "footer_lines", "truncated_tail")
]
ALL = [*BY_ROW, *BY_CELL, *BY_FILE]


def ids(step):
    return step["op"]


def by_step(steps):
    return pytest.mark.parametrize("step", steps, ids=ids)


def table(rows, delimiter=",", line_end="\n"):
    """A CSV with text beyond ASCII, quotes, and cells that hold delimiters, quotes and newlines."""
    names = ["Zoë", '"a ""quoted"" é"', f'"köln{delimiter}2"', f'"two{line_end}lines ü"', "", " padded ñ "]
    lines = [delimiter.join(["n", "name", "x", "last"])]
    lines += [
        delimiter.join([str(i), names[i % len(names)], f"{i * 7919 % 2003 + 1000}.25", "" if i % 5 else "z"])
        for i in range(rows)
    ]
    return line_end.join(lines) + line_end


def run(source, target, *steps, truth=False, **head):
    workers = head.pop("workers", 1)
    recipe = {"noisecli": 1, "seed": 7, **head, "steps": list(steps)}
    return augment(source, recipe, target, truth=truth, workers=workers)


def lines_of(done):
    return pq.read_table(f"{done.output}.noisecli-truth.parquet").to_pylist()


def counts(done, step=0):
    return done.manifest.steps[step].columns


def records(text, delimiter):
    """Rows as lists of cells as written and of what follows each."""
    cell = re.compile(rf'((?:"(?:[^"]|"")*")|[^"{re.escape(delimiter)}\r\n]*)({re.escape(delimiter)}|\r?\n|\Z)')
    rows, row, at = [], [], 0
    while at < len(text) or row:
        found = cell.match(text, at)
        assert found, text[at : at + 30]
        at = found.end()
        row += [found[1], found[2]]
        if found[2] != delimiter:
            rows.append(row)
            row = []
    return rows


DIALECTS = {
    "commas": {},
    "semicolons": {"delimiter": ";"},
    "tabs, CRLF": {"delimiter": "\t", "line_end": "\r\n"},
    "no last line end": {"unended": True},
    "byte order mark": {"mark": "\ufeff"},
    "gzip": {"suffix": ".csv.gz"},
    "utf-16": {"encoding": "utf-16-le", "mark": "\ufeff"},
    "latin-1": {"encoding": "latin-1"},
    "no header": {"header": False},
}


def dialect(folder, rows=500, *, delimiter=",", line_end="\n", unended=False, mark="", suffix=".csv", **how):
    """A file in a dialect, what the recipe has to say of it, its text as plain Unicode, and what reads a copy."""
    text = table(rows, delimiter, line_end)
    if how.get("header") is False:
        text = text.partition(line_end)[2]
    text = mark + (text.removesuffix(line_end) if unended else text)
    encoding = how.get("encoding", "utf-8")
    data = text.encode(encoding)
    source = folder / f"in{suffix}"
    source.write_bytes(gzip.compress(data, mtime=0) if suffix.endswith(".gz") else data)

    def read(path):
        raw = path.read_bytes()
        return (gzip.decompress(raw) if suffix.endswith(".gz") else raw).decode(encoding, "surrogateescape")

    said = {"encoding": how["encoding"]} if how.get("encoding", "").startswith("latin") else {}
    return source, {**said, **({"header": False} if "header" in how else {})}, text, read


def rebuilt(text, delimiter, lines, header=True, mark=""):
    """What a file becomes when only what the truth tells changes."""
    head, *rows = records(text.removeprefix(mark), delimiter) if header else [[], *records(text, delimiter)]
    names = ["n", "name", "x", "last"]
    for line in lines:
        row = rows[line["output_row"]]
        if line["column"] is None:
            assert "".join(row) == line["before"]
            row[:] = [line["after"]]
        else:
            at = 2 * names.index(line["column"])
            assert row[at] == line["before"]
            row[at] = line["after"]
    return mark + "".join(head) + "".join("".join(row) for row in rows)


@by_step([*BY_ROW[:-1], *BY_CELL])
@pytest.mark.parametrize("how", DIALECTS.values(), ids=DIALECTS)
def test_what_is_not_struck_stays_byte_for_byte_and_the_truth_tells_the_rest(step, how, tmp_path):
    source, data, text, read = dialect(tmp_path, **how)
    if not how.get("header", True):
        if step["op"] == "repeated_header":
            return
        numbers = {"x": "#3", "n": "#1"}
        named = step.get("columns", ())
        step = {**step, "columns": [numbers[name] for name in named]} if named else step
    done = run(source, tmp_path / f"out{''.join(source.suffixes)}", {**step, "rate": 0.2}, truth=True, data=data)
    lines = lines_of(done)
    back = {"#3": "x", "#1": "n", None: None}
    for line in lines:
        line["column"] = back.get(line["column"], line["column"])
        assert line["row"] == line["output_row"]
    delimiter = how.get("delimiter", ",")
    expected = rebuilt(text, delimiter, lines, how.get("header", True), how.get("mark", ""))
    assert read(done.output) == expected
    assert len(lines) == sum(column["changed"] for column in counts(done).values()) > 50
    assert all(column["struck"] == column["changed"] for column in counts(done).values())
    assert noisecli.verify(done.output, source)[1] == []


@by_step(ALL)
def test_one_or_two_workers_and_slabs_of_any_size_give_the_same_bytes(step, tmp_path, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_bytes(table(17_000).encode())
    results = []
    for k, (size, workers) in enumerate([(2 << 20, 1), (70_000, 2), (19_999, 1)]):
        monkeypatch.setattr(csv_format, "SLAB_BYTES", size)
        monkeypatch.setattr(spliced, "BLOCK_BYTES", size)
        monkeypatch.setattr(execute, "TASK_SLABS", 3)
        steps = [
            {"op": "missing", "columns": "last"},
            {"op": "drop", "rate": 0.01},
            {**step, "rate": step.get("rate", 0.5)},
        ]
        done = run(source, tmp_path / f"out{k}", *steps, truth=True, workers=workers, copies=2)
        outputs = {path.name: path.read_bytes() for path in sorted(done.output.rglob("*.csv"))}
        truth = (tmp_path / f"out{k}.noisecli-truth.parquet").read_bytes()
        results.append((outputs, truth, done.manifest.to_bytes()))
    assert results[0] == results[1] == results[2]
