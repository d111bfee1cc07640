"""Dirt in finished CSV files, from the command line and from Python."""

import csv
import gzip
import io
import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from golden import snapshot
from hypothesis import given
from hypothesis import strategies as st

import noisecli
from noisecli.errors import NoiseError
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


CELLS = st.text(st.sampled_from('a1é",;\n \t'), max_size=6)


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    step=st.sampled_from(BY_ROW[:-1]),
    size=st.integers(1, 60),
)
def test_any_cells_are_told_from_their_dirt(rows, delimiter, line_end, step, size, tmp_path, monkeypatch):
    monkeypatch.setattr(spliced, "BLOCK_BYTES", size)
    source = tmp_path / "in.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=line_end).writerows([["n", "x", "last"], *rows])
    text = source.read_bytes().decode()
    recipe = {"noisecli": 1, "seed": 7, "data": {"delimiter": delimiter}, "steps": [{**step, "rate": 0.5}]}
    done = augment(source, recipe, tmp_path / "out.csv", truth=True, force=True)
    assert done.output.read_bytes().decode() == rebuilt(text, delimiter, lines_of(done))


@by_step(ALL)
def test_slabs_of_any_size_give_the_same_bytes(step, tmp_path, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_bytes(table(17_000).encode())
    results = []
    for size in (2 << 20, 70_000):
        monkeypatch.setattr(csv_format, "SLAB_BYTES", size)
        monkeypatch.setattr(spliced, "BLOCK_BYTES", size)
        steps = {"op": "drop", "rate": 0.01}, {**step, "rate": 0.2 if step not in BY_FILE else 1}
        done = run(source, tmp_path / f"out{size}.csv", *steps, truth=True)
        truth = (tmp_path / f"out{size}.csv.noisecli-truth.parquet").read_bytes()
        results.append((done.output.read_bytes(), truth, done.manifest.steps))
    assert results[0] == results[1]


def test_one_or_two_workers_give_the_same_bytes(tmp_path, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_bytes(table(17_000).encode())
    monkeypatch.setattr(csv_format, "SLAB_BYTES", 70_000)
    monkeypatch.setattr(execute, "TASK_SLABS", 2)
    steps = [{"op": "missing", "columns": "last"}, *({**step, "rate": 0.05} for step in ALL)]
    for workers in (1, 2):
        run(source, tmp_path / f"{workers}", *steps, truth=True, workers=workers, copies=2, keep_original=True)
    assert snapshot(tmp_path / "1") == snapshot(tmp_path / "2")
    for suffix in (".noisecli.json", ".noisecli-truth.parquet"):
        assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"2{suffix}").read_bytes()


@by_step([*BY_ROW, *BY_CELL])
def test_a_rate_means_what_it_says_and_strikes_nest(step, tmp_path):
    """Rows and cells are struck alike for all ops: the first of each shows it on 10^5 rows."""
    size = 100_000 if step in (BY_ROW[0], BY_CELL[0]) else 20_000
    source = tmp_path / "in.csv"
    source.write_text("n,name,x\n" + "".join(f"{i},é,{i % 997 + 1000}.25\n" for i in range(size)), encoding="utf-8")
    rates, struck = (0.01, 0.05), []
    for rate in rates:
        done = run(source, tmp_path / f"{rate}.csv", {**step, "rate": rate}, truth=True)
        found = counts(done)["x" if "columns" in step else ""]
        assert found["eligible"] == size
        assert abs(found["struck"] - rate * size) <= 4 * np.sqrt(size * rate * (1 - rate))
        assert found["struck"] == found["changed"]
        struck.append({(e["row"], e["column"], e["after"]) for e in lines_of(done)})
    assert struck[0] < struck[1]


@by_step(BY_FILE)
def test_whole_files_are_struck_by_chance_each_for_itself_and_nest(step, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    files = 80 if step is BY_FILE[0] else 30
    for i in range(files):
        (folder / f"{i:03}.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    clean = snapshot(folder)
    outputs = [snapshot(run(folder, tmp_path / f"{rate}", {**step, "rate": rate}).output) for rate in (0.1, 0.3, 1)]
    dirty = [{path for path in clean if output[path] != clean[path]} for output in outputs]
    assert dirty[0] < dirty[1] < dirty[2] == set(clean)
    assert abs(len(dirty[1]) - 0.3 * files) <= 4 * np.sqrt(files * 0.3 * 0.7)
    assert all(few[path] == many[path] for few, many in pairwise(outputs) for path in clean if few[path] != clean[path])


@by_step([*BY_ROW, *BY_CELL])
def test_held_out_rows_are_never_struck(step, tmp_path):
    source = tmp_path / "in.csv"
    split = ["train", '"test"', " val", ""]
    rows = [f"{i},é,{i + 1000}.5,{split[i % 4]}" for i in range(400)]
    source.write_text("\n".join(["n,name,x,split", *rows]) + "\n", encoding="utf-8")
    done = run(source, tmp_path / "out.csv", {**step, "rate": 1}, truth=True, data={"split": "split"})
    assert {line["row"] for line in lines_of(done)} == set(range(0, 400, 4))
    raw = done.output.read_bytes()
    assert all(f"{row}\n".encode() in raw for row in rows if not row.endswith("train"))
    assert next(iter(counts(done).values()))["eligible"] == 100
    every = run(
        source, tmp_path / "all.csv", {**step, "rate": 1}, truth=True, data={"split": "split"}, purpose="evaluate"
    )
    assert {line["row"] for line in lines_of(every)} == set(range(400))


@by_step(BY_FILE)
def test_whole_files_with_held_out_rows_are_refused(step, tmp_path, command, recipe):
    source = tmp_path / "in.csv"
    source.write_text("n,split\n1,train\n2,test\n", encoding="utf-8")
    path = recipe(f"op: {step['op']}", data="{split: split}")
    result = command("validate", path)
    assert result.code == 2
    assert (
        f"{path}:5:10: op '{step['op']}' damages the whole file, held-out rows of the split column 'split' too"
        in result.err
    )
    assert "purpose: evaluate" in result.err
    path = recipe(f"op: {step['op']}", data="{split: split}", purpose="evaluate")
    assert command("augment", source, "-r", path, "-o", tmp_path / "out.csv").code == 0


def test_runs_of_rows_are_those_of_the_file_whatever_series_they_belong_to(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("t,e,x\n" + "".join(f"{-i},{i % 3},{i}\n" for i in range(3000)), encoding="utf-8")
    step = {"op": "ragged_row", "mechanism": {"burst": {"length": 20}}}
    plain = run(source, tmp_path / "1.csv", step, truth=True)
    done = run(source, tmp_path / "2.csv", step, truth=True, data={"entity": "e", "time": "t"})  # times that fall
    assert done.output.read_bytes() == plain.output.read_bytes() != source.read_bytes()
    assert not (tmp_path / "2.csv.noisecli-intervals.parquet").exists()  # no labels of faults of the data


def test_files_of_held_out_folders_are_untouched(tmp_path, tree):
    for split in ("train", "val"):
        (tmp_path / "in" / split).mkdir(parents=True)
        (tmp_path / "in" / split / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    done = run(tmp_path / "in", tmp_path / "out", {"op": "ragged_row", "rate": 1}, {"op": "bom"})
    assert tree(done.output)["val/a.csv"] == b"a,b\n1,2\n"
    assert tree(done.output)["train/a.csv"] in (b"\xef\xbb\xbfa,b\n1,2,\n", b"\xef\xbb\xbfa,b\n1\n")


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        (
            ["op: bom", "op: missing, columns: a"],
            ":5:5: step 'missing' must stand before 'bom': steps on the finished file",
        ),
        (["op: blank_lines", "op: drop"], ":5:5: step 'drop' must stand before 'blank_lines'"),
        (["op: ragged_row, where: {a: 1}"], ":4:22: op 'ragged_row' acts on the finished file, it takes no 'where'"),
        (["op: bom, exact: true"], ":4:15: op 'bom' acts on the finished file, it takes no 'exact'"),
        (["op: decimal_comma, columns: a, decimals: 2"], "it takes no 'decimals'"),
        (["op: ragged_row, columns: a"], "op 'ragged_row' strikes whole rows, it takes no 'columns'"),
        (["op: bom, columns: a"], "op 'bom' strikes whole files, it takes no 'columns'"),
        (["op: decimal_comma"], "missing key 'columns'"),
        (["op: bom, mechanism: {burst: {length: 3}}"], "it takes no 'mechanism': its rate is the chance of a file"),
        (["op: ragged_row, mechanism: {mar: {columns: a}}"], "takes no mechanism but mcar and burst"),
        (["op: decimal_comma, columns: a, mechanism: mnar"], "takes no mechanism but mcar and burst"),
        (
            ["op: ragged_row, mechanism: {burst: {length: 5min}}"],
            ":4:50: op 'ragged_row' acts on the finished file, it takes no length in time: give a number of rows",
        ),
        (["op: ragged_row, joint: true"], "takes no 'joint'"),
        (["op: decimal_comma, columns: a, nulls: strike"], "takes no 'nulls'"),
        (["op: decimal_comma, patterns: [{columns: a}]"], "takes no 'patterns'"),
        (["op: wrong_encoding, encoding: utf-16"], "'utf-16' writes even commas in another way"),
        (["op: wrong_encoding, encoding: klingon"], "'klingon' is no encoding that Python knows"),
        (["op: thousands_separator, columns: a, separator: '.'"], "'.' would make another number of it"),
        (['op: footer_lines, lines: ["a\\nb"]'], "is more than one line"),
    ],
)
def test_recipes_that_make_no_sense_are_refused_with_their_place(steps, fault, command, recipe):
    result = command("validate", recipe(*steps))
    assert result.code == 2
    assert fault in result.err


@pytest.mark.parametrize("name", ["repeated_header", "rename_column"])
def test_without_a_header_there_is_none_to_damage(name, command, recipe):
    result = command("validate", recipe(f"op: {name}", data="{header: false}"))
    assert result.code == 2
    assert f"op '{name}' damages the header, and `data: {{header: false}}` says that there is none" in result.err


@by_step(ALL)
def test_only_csv_files_take_it(step, tmp_path):
    clean = pa.table({"n": [1, 2], "x": [1000.5, 2000.5]})
    pq.write_table(clean, tmp_path / "in.parquet")
    pa.feather.write_feather(clean, tmp_path / "in.feather")
    (tmp_path / "in.jsonl").write_text('{"n": 1, "x": 1000.5}\n', encoding="utf-8")
    fault = f"op '{step['op']}' damages the text of a CSV file, and the input is none: leave it out here, or write"
    for name in ("in.parquet", "in.feather", "in.jsonl"):
        with pytest.raises(NoiseError, match=re.escape(fault)):
            run(tmp_path / name, tmp_path / f"out{name}", step)
    for data in (clean, clean.to_pandas(), np.zeros((3, 2))):
        with pytest.raises(NoiseError, match=re.escape(fault)):
            noisecli.corrupt(
                data,
                {
                    "noisecli": 1,
                    "seed": 1,
                    "steps": [step if "columns" not in step else {**step, "columns": "numeric"}],
                },
            )


# Several steps


def test_a_step_strikes_the_same_rows_whatever_dirt_comes_before(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(table(3000).encode())
    steps = [{**step, "rate": 0.1} for step in (*BY_ROW, *BY_CELL)]
    together = run(source, tmp_path / "all.csv", *steps, truth=True)
    told = lines_of(together)
    for number, step in enumerate(steps):
        alone = run(source, tmp_path / f"{number}.csv", step, truth=True)
        mine = {(line["row"], line["column"]) for line in told if line["step"] == step["op"]}
        first = {(line["row"], line["column"]) for line in lines_of(alone)}
        assert mine <= first
        found, before = counts(together, number), counts(alone)
        assert sum(column["void"] for column in found.values()) == len(first) - len(mine)
        assert [column["struck"] for column in found.values()] == [column["struck"] for column in before.values()]
    assert counts(together, 6)[""]["void"] > 0


def test_dirt_on_dirt_chains_in_the_truth(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("n,x\n" + "1,2000.5\n" * 50, encoding="utf-8")
    steps = {"op": "decimal_comma", "columns": "x"}, {"op": "units_in_values", "columns": "x", "unit": " kg"}
    steps = *steps, {"op": "broken_quote"}, {"op": "blank_lines"}
    done = run(source, tmp_path / "out.csv", *({**step, "rate": 1} for step in steps), truth=True)
    assert counts(done, 1)["x"]["void"] == 50
    by_row = {}
    for line in lines_of(done):
        by_row.setdefault(line["row"], []).append((line["before"], line["after"]))
    assert set(by_row) == set(range(50))
    for told in by_row.values():
        assert told[0] == ("2000.5", '"2000,5"')
        assert told[1][0] == '1,"2000,5"\n'
        assert told[1][1] in ('"1,"2000,5"\n', '1,"2000,5\n')
        assert told[2] == (told[1][1], "\n" + told[1][1])


def test_columns_are_struck_by_name_wherever_they_went(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("a,b,c\n" + "1.5,2.5,3.5\n" * 20, encoding="utf-8")
    steps = {"op": "reorder_columns"}, {"op": "duplicate_column", "columns": "b"}
    steps = (
        *steps,
        {"op": "rename_column", "columns": "b", "new_name": 'b, "new"'},
        {"op": "bom"},
        {"op": "footer_lines"},
    )
    last = {"op": "units_in_values", "columns": "b", "unit": "%", "rate": 1}
    done = run(source, tmp_path / "out.csv", *steps, last, truth=True)
    head, *rows = done.output.read_text(encoding="utf-8-sig").splitlines()
    assert rows.pop() == "End of report"
    assert '"b, ""new"""' in head
    assert all(sorted(row.split(",")) == ["1.5", "2.5", "2.5%", "3.5"] for row in rows)
    assert rows[0].endswith(",2.5"), "the second one is as it was"
    told = [line for line in lines_of(done) if line["row"] is None]
    assert [line["step"] for line in told] == [step["op"] for step in steps]
    assert all(before["after"] == after["before"] for before, after in pairwise(told[:4]))
    assert told[-1]["after"] == "End of report\n"


def test_rows_go_by_their_place_in_the_finished_file(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(table(1000).encode())
    done = run(
        source, tmp_path / "out.csv", {"op": "duplicate", "rate": 0.5}, {"op": "broken_quote", "rate": 0.1}, truth=True
    )
    told = [line for line in lines_of(done) if line["step"] == "broken_quote"]
    assert len(told) > 100
    assert all(line["row"] is None for line in told)
    assert max(line["output_row"] for line in told) > 1000


def test_bursts_strike_runs_of_rows(tmp_path):
    source = tmp_path / "in.csv"
    source.write_bytes(table(5000).encode())
    step = {"op": "mixed_delimiter", "rate": 0.2, "mechanism": {"burst": {"length": 20}}}
    done = run(source, tmp_path / "out.csv", step, truth=True)
    rows = np.array([line["row"] for line in lines_of(done)])
    runs = 1 + np.count_nonzero(np.diff(rows) > 1)
    assert 500 < len(rows) < 1500
    assert 10 < len(rows) / runs < 40


def test_bursts_are_those_of_the_file_whatever_its_entities_and_times(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("t,e\n" + "".join(f"{-i},{i % 7}\n" for i in range(500)), encoding="utf-8")
    step = {"op": "blank_lines", "rate": 0.2, "mechanism": {"burst": {"length": 20}}}
    plain = run(source, tmp_path / "plain.csv", step)
    with_series = run(source, tmp_path / "series.csv", step, data={"time": "t", "entity": "e"}, truth=True)
    assert with_series.output.read_bytes() == plain.output.read_bytes() != source.read_bytes()
    assert not (tmp_path / "series.csv.noisecli-intervals.parquet").exists()


@pytest.mark.parametrize(
    ("step", "cell", "written"),
    [
        ({"op": "decimal_comma"}, "  2.5 ", "  2,5 "),
        ({"op": "thousands_separator", "separator": " "}, " -12345.5", " -12 345.5"),
        ({"op": "thousands_separator", "separator": ";"}, " 1234", '"1;234"'),
        ({"op": "thousands_separator", "separator": ";", "quote": False}, " 1234", " 1;234"),
        ({"op": "units_in_values", "unit": "kg"}, '"7"', '"7kg"'),
    ],
)
def test_padding_stays_around_a_number_without_quotes(step, cell, written, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text(f"x;y\n{cell};1\n", encoding="utf-8")
    done = run(source, tmp_path / "out.csv", {**step, "columns": "x", "rate": 1})
    assert done.output.read_text(encoding="utf-8") == f"x;y\n{written};1\n"


def test_rows_that_do_not_fit_are_carried(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("a,b,x\n" + "1,é,1000.5\nodd row\n1,2,3,4\n" * 30, encoding="utf-8")
    for step in (*BY_ROW, BY_CELL[0], {"op": "reorder_columns"}, {"op": "duplicate_column"}):
        target = tmp_path / f"{step['op']}.csv"
        done = run(source, target, {**step, "rate": 1}, on_error="skip")
        raw = done.output.read_bytes()
        assert raw.count(b"\nodd row\n1,2,3,4\n") == 30
        assert sum(column["changed"] for column in counts(done).values()) in (1, 30)


def test_a_tail_is_cut_within_a_row_and_later_dirt_is_counted_in_what_is_left(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("name,x\n" + "Zoë,1000.5\n" * 1000 + "\n\n", encoding="utf-8")
    clean = source.read_bytes()
    for share, left in ((0, 1000), (0.25, 751), (0.9, 101), (1, 1)):
        steps = {"op": "blank_lines", "rate": 1}, {"op": "truncated_tail", "share": share}
        done = run(source, tmp_path / f"{share}.csv", *steps, truth=True)
        assert counts(done)[""]["eligible"] == left == done.manifest.outputs[0].rows
        text = done.output.read_text(encoding="utf-8").replace("\n\n", "\n")
        assert clean.decode().startswith(text)
        lines = text.splitlines()
        assert len(lines) == left + 1
        assert 0 < len(lines[-1]) < len("Zoë,1000.5")
        (told,) = (line for line in lines_of(done) if line["step"] == "truncated_tail")
        assert (told["output_row"], told["before"], told["after"]) == (left - 1, "Zoë,1000.5\n", lines[-1])


def test_a_tail_is_cut_between_two_characters(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(40):
        (folder / f"{i}.csv").write_text("a,b\n" + "éé,東京\n" * 2, encoding="utf-8")
    left = snapshot(run(folder, tmp_path / "out", {"op": "truncated_tail"}).output)
    lines = {data.decode().splitlines()[2] for data in left.values()}
    assert lines == {"é", "éé", "éé,", "éé,東"}


@pytest.mark.parametrize("name", ["rename_column", "duplicate_column", "reorder_columns"])
def test_columns_are_drawn_by_their_names_whatever_stands_before_them(name, tmp_path):
    source, names = tmp_path / "in.csv", "abcdefgh"
    heads = []
    for columns in (names, f"{names[1:]}xyz{names[0]}"):
        source.write_text(f"{','.join(columns)}\n{','.join('1' * len(columns))}\n", encoding="utf-8")
        text = run(source, tmp_path / f"{columns}.csv", {"op": name}).output.read_text(encoding="utf-8")
        heads.append([title for title in text.partition("\n")[0].split(",") if title not in tuple("xyz")])
    if name == "reorder_columns":
        assert heads[0] == heads[1] != list(names)
    else:
        (less,), (more,) = ({title for title in head if title not in names or head.count(title) > 1} for head in heads)
        assert less == more


def test_a_row_that_lost_a_cell_is_not_taken_apart_again(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("a,b\n" + "1,2\n" * 9, encoding="utf-8")
    steps = {"op": "ragged_row", "cells": "fewer", "rate": 1}, {"op": "mixed_delimiter", "rate": 1}
    done = run(source, tmp_path / "out.csv", *steps)
    assert done.output.read_text(encoding="utf-8") == "a,b\n" + "1\n" * 9
    assert counts(done, 1)[""]["void"] == 9


def test_a_footer_begins_a_line_of_its_own_and_a_quoted_title_stays_quoted(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text('"a",b\r\n1,2', encoding="utf-8", newline="")
    steps = {"op": "footer_lines"}, {"op": "rename_column", "columns": "a", "new_name": "c"}
    done = run(source, tmp_path / "out.csv", *steps)
    assert done.output.read_bytes() == b'"c",b\r\n1,2\r\nEnd of report\r\n'


# Encodings and packing


def test_rows_in_a_wrong_encoding(tmp_path):
    source = tmp_path / "in.csv"
    names = ["plain", "Zoë", "Иван", "naïve €"]
    text = "n,name\n" + "".join(f"{i},{names[i % 4]}\n" for i in range(400))
    source.write_text(text, encoding="utf-8")
    done = run(source, tmp_path / "out.csv", {"op": "wrong_encoding", "rate": 1}, truth=True)
    assert counts(done)[""]["eligible"] == 200
    expected = [(line + "\n").encode("utf-8" if "Иван" in line else "cp1252") for line in text.splitlines()]
    assert done.output.read_bytes() == b"".join(expected)
    assert lines_of(done)[0]["after"] == "1,Zo\\xeb\n"
    source.write_text(text.replace("Иван", "Jörg").replace("€", "ß"), encoding="latin-1")
    done = run(source, tmp_path / "mojibake.csv", {"op": "wrong_encoding", "rate": 1}, data={"encoding": "latin-1"})
    assert done.output.read_text(encoding="utf-8") == source.read_text(encoding="latin-1")
    same = run(
        source, tmp_path / "same.csv", {"op": "wrong_encoding", "encoding": "cp1252"}, data={"encoding": "latin-1"}
    )
    assert same.output.read_bytes() == source.read_bytes()
    assert any("nothing is eligible" in line for line in same.manifest.warnings)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1251", "shift_jis", "gb18030"])
def test_foreign_bytes_in_files_of_any_encoding(encoding, tmp_path):
    source = tmp_path / "in.csv"
    word = {"latin-1": "naïve", "cp1251": "Иван", "shift_jis": "東京", "gb18030": "北京"}[encoding]
    text = f"a,b\n{word},1\nplain,2\n" * 100
    source.write_bytes(text.replace("a,b\n", "x,y\n").encode(encoding))
    done = run(source, tmp_path / "out.csv", {"op": "wrong_encoding", "rate": 1}, data={"encoding": encoding})
    assert done.output.read_bytes() == text.replace("a,b\n", "x,y\n").encode()


def test_nothing_is_eligible_for_foreign_bytes_in_utf_16(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("name\nZoë\n" * 9, encoding="utf-16")
    done = run(source, tmp_path / "out.csv", {"op": "wrong_encoding", "rate": 1})
    assert done.output.read_bytes() == source.read_bytes()
    assert any("nothing is eligible" in line for line in done.manifest.warnings)


@by_step(ALL)
@pytest.mark.parametrize("how", [DIALECTS["gzip"], DIALECTS["utf-16"], DIALECTS["latin-1"]], ids=["gz", "16", "latin"])
def test_packed_files_get_the_dirt_of_plain_ones(step, how, tmp_path):
    source, data, text, read = dialect(tmp_path, **how)
    if step["op"] == "wrong_encoding" and "encoding" in how:
        return
    plain = tmp_path / "plain.csv"
    plain.write_text(text, encoding="utf-8", newline="")
    step = {**step, "rate": 0.3 if step not in BY_FILE else 1}
    packed = run(source, tmp_path / f"out{''.join(source.suffixes)}", step, data=data)
    expected = run(plain, tmp_path / "expected.csv", step).output.read_bytes().decode("utf-8", "surrogateescape")
    if step["op"] == "bom" and data:
        expected = expected.replace("\ufeff", "ï»¿")
    assert read(packed.output) == expected


@by_step([*BY_ROW, *BY_CELL])
def test_packed_files_that_are_not_struck_keep_their_bytes(step, tmp_path):
    source = tmp_path / "in.csv.gz"
    source.write_bytes(gzip.compress(table(50).encode(), 1, mtime=99))
    done = run(source, tmp_path / "out.csv.gz", {**step, "rate": 0})
    assert done.output.read_bytes() == source.read_bytes()


# The doors


def test_the_whole_way_from_the_command_line(tmp_path, command, recipe, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_bytes(table(300).encode())
    path = recipe(
        "op: gaussian_noise, columns: x", "op: ragged_row, rate: 0.1", "op: footer_lines", copies=2, layout="merged"
    )
    assert command("validate", path).code == 0
    planned = command("augment", source, "-r", path, "-o", tmp_path / "out", "--dry-run")
    assert planned.code == 0
    assert "ragged_row" in planned.out
    assert command("augment", source, "-r", path, "-o", tmp_path / "out", "--truth", "--workers", 1).code == 0
    made = snapshot(tmp_path / "out")
    assert set(made) == {"in__c1.csv", "in__c2.csv"}
    assert made["in__c1.csv"] != made["in__c2.csv"]
    assert command("verify", tmp_path / "out", "--input", source).code == 0
    assert (
        command(
            "replay", tmp_path / "out.noisecli.json", "--input", source, "-o", tmp_path / "again", "--workers", 1
        ).code
        == 0
    )
    assert snapshot(tmp_path / "again") == made
    manifest = command("augment", source, "-r", path, "-o", tmp_path / "json", "--json", "--workers", 1).json
    assert [step["op"] for step in manifest["steps"]] == ["gaussian_noise", "ragged_row", "footer_lines"]
    assert {output["rows"] for output in manifest["outputs"]} == {300}


def test_sweeps_over_dirt(tmp_path, command, recipe):
    source = tmp_path / "in.csv"
    source.write_bytes(table(300).encode())
    path = recipe("op: ragged_row", "op: bom", sweep="{steps.ragged_row.severity: [0, 5], steps.bom.rate: [0, 1]}")
    assert command("augment", source, "-r", path, "-o", tmp_path / "out").code == 0
    made = snapshot(tmp_path / "out")
    assert len(set(made.values())) == 4
    assert source.read_bytes() in made.values()


def test_through_pipes(tmp_path, command, recipe, monkeypatch):
    source = tmp_path / "in.csv"
    source.write_bytes(table(100).encode())
    path = recipe("op: broken_quote, rate: 0.2", "op: bom")
    assert command("augment", source, "-r", path, "-o", tmp_path / "out.csv").code == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
    piped = command("augment", "-", "-r", path, "-o", "-")
    assert piped.code == 0
    assert piped.out.encode() == (tmp_path / "out.csv").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
    tried = command("augment", "-", "-r", path, "-o", "-", "--dry-run")
    assert (tried.code, tried.err) == (0, "")
    assert "100 rows" in tried.out
