"""`noisecli diff`: it finds what differs, whoever made it, and every lie of a truth file."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import noisecli
from noisecli.compare import align
from noisecli.compare import diff as differences
from noisecli.compare.diff import diff
from noisecli.compare.gather import compare

Command = Callable[..., Any]

CLEAN = "id,name,height,city\n1,Ana,1.70,Bonn\n2,Ben,1.80,\n3,Cem,1.90,Rom\n4,Dan,2.00,Rom\n"


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    path = tmp_path / "clean.csv"
    path.write_text(CLEAN, encoding="utf-8")
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_cells_that_differ_are_counted_and_shown(command: Command, clean: Path, tmp_path: Path) -> None:
    text = CLEAN.replace("Ana", '"An[b]a"').replace("1.80", "1.8").replace("2,Ben,1.8,", "2,Ben,1.8,Ulm")
    noisy = written(tmp_path / "noisy.csv", text.replace("2.00,Rom", ",NA"))
    found = command("diff", clean, noisy, "--json", "--exit-code")
    assert found.code == 4
    columns = {column.pop("name"): list(column.values()) for column in found.json["columns"]}
    # compared, differing, now missing, no longer missing, only respelt
    assert columns == {
        "id": [4, 0, 0, 0, 0],
        "name": [4, 1, 0, 0, 0],
        "height": [4, 2, 1, 0, 1],
        "city": [4, 2, 1, 1, 0],
    }
    assert [tuple(cell.values())[1:] for cell in found.json["cells"]] == [
        (0, 0, "name", "Ana", "An[b]a"),
        (1, 1, "height", "1.80", "1.8"),
        (1, 1, "city", None, "Ulm"),
        (3, 3, "height", "2.00", None),
        (3, 3, "city", "Rom", None),
    ]
    shown = command("diff", clean, noisy, "--limit", 2)
    assert shown.code == 0
    assert [text in shown.out for text in ("5 of 16 differ", "'An[b]a'", "Ulm")] == [True, True, False]


def test_equal_data(command: Command, clean: Path, tmp_path: Path) -> None:
    same = shutil.copy(clean, tmp_path / "same.csv")
    assert command("diff", clean, same, "--exit-code").code == 0
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    pq.write_table(pyarrow.csv.read_csv(clean, convert_options=options), tmp_path / "same.parquet")
    assert command("diff", clean, tmp_path / "same.parquet", "--exit-code").code == 0  # by value
    quoted = written(tmp_path / "quoted.csv", CLEAN.replace("Ana", '"Ana"').replace("\n", "\r\n"))
    found = command("diff", clean, quoted, "--json", "--exit-code")
    assert (found.code, found.json["only_bytes"]) == (4, [str(quoted)])


def test_only_what_is_asked_for_is_compared(command: Command, clean: Path, tmp_path: Path) -> None:
    noisy = written(tmp_path / "noisy.csv", CLEAN.replace("Ana", "Eva"))
    assert "nothing differs" in command("diff", clean, noisy, "--columns", "id", "--exit-code").out
    assert "no column 'key' on both sides; there are id, name" in command("diff", clean, noisy, "--columns", "key").err
    other = written(tmp_path / "other.csv", "weight,id,age\n60,1,30\n")
    told = command("diff", clean, other).out
    assert "none compared" in told
    assert "only on the clean side: name, height, city\n" in told


@pytest.mark.parametrize("kind", ["cells", "dropped"])
def test_the_truth_is_about_the_input_of_its_run(
    command: Command, runs: dict[str, tuple[Path, Path]], kind: str, tmp_path: Path
) -> None:
    source, output = runs[kind]
    again = shutil.copy(output, tmp_path / "again.csv")
    found = command("diff", again, output, "--exit-code")
    assert (found.code, "nothing differs" in found.out, "truth  " in found.out) == (0, True, False)
    assert "again.csv: not the input that the manifest names" in found.err
    long = written(tmp_path / "long.csv", source.read_text(encoding="utf-8").replace("Ana Lima", "Ana Luna"))
    assert long.stat().st_size == source.stat().st_size
    assert command("diff", long, output, "--limit", 0).code == 0


def test_sides_that_changed_places_are_told(
    command: Command, runs: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    source, output = runs["cells"]
    for found in (
        command("diff", output, source),
        command("report", source, "--input", output, "-o", tmp_path / "page.html"),
    ):
        assert (found.code, found.err.count(f"{output}: is a copy of {source}, by its manifest")) == (0, 1)
    assert "is a copy of in.csv" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_names_of_an_output_tell_of_its_format(command: Command, recipe: Callable[..., Path], clean: Path) -> None:
    output = clean.parent / "noisy.txt"
    assert command("augment", clean, "-r", recipe("op: missing, columns: city, rate: 1"), "-o", output).code == 0
    for arguments in (("diff", clean, output), ("report", output, "--input", clean)):
        found = command(*arguments)
        assert (found.code, "let the names end as the data are" in found.err) == (2, True)


def test_a_folder_whose_tables_are_gone(command: Command, recipe: Callable[..., Path], tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    written(source / "a.csv", CLEAN)
    written(source / "b.csv", CLEAN)
    made = recipe("op: missing, columns: city, rate: 1")
    assert command("augment", source, "-r", made, "-o", tmp_path / "out").code == 0
    for path in (tmp_path / "out").glob("*.csv"):
        path.unlink()
    found = command("diff", source, tmp_path / "out", "--exit-code")
    assert (found.code, found.out.split()) == (4, ["missing", "a.csv", "missing", "b.csv"])


def test_brackets_are_no_markup(command: Command, recipe: Callable[..., Path], tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", "[red]x[/red],t [bold]\n" + "1,a\n" * 9)
    made = recipe("op: missing, columns: all, rate: 1")
    for arguments in (
        ("preview", source, "-r", made),
        ("validate", made, source),
        ("augment", source, "-r", made, "-o", tmp_path / "out.csv"),
        ("diff", source, tmp_path / "out.csv"),
    ):
        told = command(*arguments).out
        assert "[red]x[/red]" in told
        assert "t [bold]" in told


@pytest.mark.parametrize("piece", [2, 100])
def test_rows_that_moved_need_a_key(
    command: Command, clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(differences, "PIECE", piece)
    rows = "3,Cem,1.90,Rom\n1,Ana,1.70,Bonn\n1,Anna,1.70,Bonn\n9,Eve,1,Rom\n4,Dan,2.00,Rom\n"
    noisy = written(tmp_path / "noisy.csv", "id,name,height,city\n" + rows)
    shown = command("diff", clean, noisy)
    assert "--key" in shown.out
    found = command("diff", clean, noisy, "--key", "id", "--json").json
    counts = {"clean": 4, "noisy": 5, "added": 2, "removed": 1, "misfits": 0, "moved": 3}
    assert (found["rows"], found["aligned"]) == (counts, "key id")
    assert [(cell["row"], cell["noisy_row"], cell["after"]) for cell in found["cells"]] == [(0, 2, "Anna")]
    assert "has no 'city'" in command("diff", clean, noisy, "--key", "city").err
    assert command("diff", clean, clean, "--key", "id", "--json").json["rows"]["moved"] == 0
    floats = written(tmp_path / "floats.csv", "id,name,height,city\n3.0,Cem,1.90,Rom\n")
    assert "as 3 and 3.0 are not" in command("diff", clean, floats, "--key", "id").out
    twice = written(tmp_path / "twice.csv", CLEAN.replace("4,Dan", "3,Dan"))
    assert "several rows" in command("diff", twice, noisy, "--key", "id").err
    assert "no column 'key'" in command("diff", clean, noisy, "--key", "key").err


def test_images(command: Command, tmp_path: Path) -> None:
    clean, noisy = tmp_path / "clean", tmp_path / "noisy"
    clean.mkdir()
    pixels = np.arange(40 * 30 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 30, 3)
    for name in "abcd":
        Image.fromarray(pixels).save(clean / f"{name}.png")
    Image.fromarray(np.dstack([pixels, pixels[..., 0]])).save(clean / "e.png")
    shutil.copytree(clean, noisy)
    Image.fromarray(np.where(pixels > 250, 0, pixels)).save(noisy / "a.png")
    Image.fromarray(pixels[:20]).save(noisy / "b.png")
    note = PngImagePlugin.PngInfo()
    note.add_text("by", "me")
    Image.fromarray(pixels).save(noisy / "c.png", pnginfo=note)
    (noisy / "d.png").rename(noisy / "f.png")
    Image.fromarray(np.dstack([pixels, pixels[..., 1]])).save(noisy / "e.png")  # only the alpha
    found = command("diff", clean, noisy, "--json").json
    assert {image["path"]: image["how"] for image in found["images"]} == {
        "a.png": "pixels",
        "b.png": "size",
        "c.png": "metadata",
        "e.png": "pixels",
    }
    assert (found["compared"], found["missing"], found["added"]) == (4, ["d.png"], ["f.png"])
    assert 10 < found["images"][0]["psnr"] < 40
    assert command("diff", clean, noisy).code == 0


def test_typed_cells(command: Command, tmp_path: Path) -> None:
    before = {"f": [1.5, np.nan, -0.0], "l": [[1], None, [3]], "b": [True, None, False], "x": [b"a", b"b", None]}
    after = {"f": [1.5, None, 0.0], "l": [[1], None, [4]], "b": [True, True, False], "x": [b"a", b"c", None]}
    for name, cells in (("before", before), ("after", after)):
        pq.write_table(pa.table({key: pa.array(values) for key, values in cells.items()}), tmp_path / f"{name}.parquet")
    pq.write_table(pa.table(before).slice(0, 0), tmp_path / "none.parquet")
    found = command("diff", tmp_path / "before.parquet", tmp_path / "after.parquet", "--json").json
    assert [column["differing"] for column in found["columns"]] == [2, 1, 1, 1]
    assert [column["now_missing"] for column in found["columns"]] == [0] * 4  # NaN was missing before
    big = {"i": [2**53 + 2, 2**60], "f": [1e17, 2.5e300], "b": [True, False]}
    pq.write_table(pa.table(big), tmp_path / "big.parquet")
    pq.write_table(pa.table({**big, "i": [2**53 + 3, 2**60]}), tmp_path / "next.parquet")
    text = written(tmp_path / "big.csv", f"i,f,b\n{2**53 + 3},1e17,True\n{2**60},2.5e300,FALSE\n")
    for noisy in (text, tmp_path / "next.parquet"):
        found = command("diff", tmp_path / "big.parquet", noisy, "--json").json
        # Floats cannot tell these integers apart; and true is true, however it is spelt.
        assert [(column["differing"], column["respelt"]) for column in found["columns"]] == [(1, 0), (0, 0), (0, 0)]
        assert compare(tmp_path / "big.parquet", noisy).columns[2].drift.jensen_shannon == 0
    for pair in (("none", "before"), ("before", "none")):
        sides = [tmp_path / f"{name}.parquet" for name in pair]
        assert command("diff", *sides, "--exit-code").code == 4
        assert sum(compare(*sides).rows) == 3
    assert command("diff", sides[1], sides[1], "--exit-code").code == 0


def test_what_cannot_be_compared(command: Command, clean: Path, tmp_path: Path, sample: Path) -> None:
    for arguments in (
        (clean, tmp_path / "none.csv"),
        (clean, tmp_path),
        (clean, sample / "images"),
        (clean, written(tmp_path / "x.txt", "x")),
        (clean, written(tmp_path / "other.csv", "a,b\n1,2\n")),
        (clean, clean, "--copy", "2"),
        (clean, clean, "--columns", "weight"),
    ):
        found = command("diff", *arguments)
        assert found.code in (2, 3)
        assert len(found.errors) == 1
    assert "no column 'weight'" in found.err


def test_nothing_that_data_says_is_obeyed(command: Command, clean: Path, tmp_path: Path) -> None:
    """Neither by a terminal, nor as markup of a table."""
    hostile = "\x1b[31m[bold]\u202e"
    shown = r"\x1b[31m[bold]\u202e"
    noisy = written(tmp_path / "noisy.csv", CLEAN.replace("city", hostile).replace("Ana", hostile))
    found = command("diff", clean, noisy)
    assert (found.out.count(shown), found.out.count("\x1b")) == (2, 0)
    refused = command("diff", noisy, clean, "--key", "city")
    assert (refused.err.count(shown), refused.err.count("\x1b")) == (1, 0)
    recipe = written(tmp_path / "recipe.yaml", "noisecli: 1\nsteps:\n  - {op: missing, columns: all, rate: 1}\n")
    made = command("augment", noisy, "-r", recipe, "-o", tmp_path / "out.csv")
    assert (made.out.count(shown), made.out.count("\x1b")) == (1, 0)


def test_keys_are_compared_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With hashes of one bit nearly all keys have the same."""
    monkeypatch.setattr(align, "HASH_BITS", 1)
    clean = written(tmp_path / "clean.csv", "id,x\na,1\nb,2\n")
    noisy = written(tmp_path / "noisy.csv", "id,x\n" + "".join(f"{key},2\n" for key in "cdefgb"))
    found = diff(clean, noisy, key="id")
    assert (found.rows.added, found.rows.removed, found.columns[1].differing) == (5, 1, 0)


STEPS = {
    "cells": [],
    "clones": ["{op: duplicate, rate: 0.4, errors: 1, place: random}"],
    "dropped": ["{op: drop, rate: 0.3}"],
    "moved": ["{op: shuffle, rate: 1}"],
    "all": ["{op: duplicate, rate: 0.3}", "{op: resample}", "{op: shuffle, rate: 0.5}"],
}
ON_CELLS = """noisecli: 1
seed: 3
steps:
  - {op: gaussian_noise, columns: height, sigma: 1}
  - {op: typo, columns: name, rate: 0.7}
  - {op: typo, id: again, columns: name, rate: 0.7}
  - {op: missing, columns: city, rate: 0.3}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Input and output of some runs, by what they do to rows; the manifests say nothing about the truth files."""
    folder = tmp_path_factory.mktemp("runs")
    names = ["Ana Lima", "Ben Okri", "Cem Kaya", "Dan Brown"]
    rows = "".join(f"{i},{names[i % 4]},{1.5 + i / 100:.2f},{('Rom', 'Ulm', '')[i % 3]}\n" for i in range(40))
    source = written(folder / "in.csv", "id,name,height,city\n" + rows)
    made = {}
    for kind, steps in STEPS.items():
        recipe = written(folder / f"{kind}.yaml", ON_CELLS + "".join(f"  - {step}\n" for step in steps))
        made[kind] = (source, noisecli.augment(source, recipe, folder / f"{kind}.csv", truth=True).output)
        manifest = folder / f"{kind}.csv.noisecli.json"
        data = json.loads(manifest.read_text(encoding="utf-8"))
        del data["truth"]
        manifest.write_text(json.dumps(data), encoding="utf-8")
    return made


def truth_of(output: Path) -> Path:
    return output.with_name(output.name + ".noisecli-truth.parquet")


@pytest.mark.parametrize("kind", STEPS)
def test_an_honest_truth_holds(command: Command, runs: dict[str, tuple[Path, Path]], kind: str) -> None:
    found = command("diff", *runs[kind])
    lines = pq.read_metadata(truth_of(runs[kind][1])).num_rows
    assert (found.code, f"{lines} lines: all of them hold" in found.out) == (0, True)


@pytest.mark.parametrize("kind", ["cells", "clones", "dropped", "moved"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_lie_is_found(runs: dict[str, tuple[Path, Path]], kind: str, data: st.DataObject) -> None:
    source, output = runs[kind]
    truth, honest = truth_of(output), truth_of(output).read_bytes()
    table = pq.read_table(truth)
    lines = table.to_pylist()
    try:
        tampered = _tampered(lines, data)
        pq.write_table(pa.Table.from_pylist(tampered, table.schema), truth)
        assert diff(source, output).truth.count > 0
    finally:
        truth.write_bytes(honest)


def _tampered(lines: list[dict[str, Any]], data: st.DataObject) -> list[dict[str, Any]]:
    # What happened to a row before it was left out can be held against nothing.
    gone = {line["row"] for line in lines if line["column"] is None and line["output_row"] is None}
    known = [i for i, line in enumerate(lines) if line["column"] is None or line["row"] not in gone]
    place = data.draw(st.sampled_from(known), "line")
    line = dict(lines[place])
    how = data.draw(st.sampled_from(["leave out", "repeat", *LIES]), "how")
    if how in LIES:
        line[how] = data.draw(LIES[how].filter(lambda value: value != line[how]), "value")
        return [*lines[:place], line, *lines[place + 1 :]]
    return [*lines[: place + (how == "repeat")], *lines[place + (how == "leave out") :]]


LIES = {
    "row": st.none() | st.integers(-1, 45),
    "output_row": st.none() | st.integers(-1, 60),
    "column": st.sampled_from([None, "id", "name", "height", "city", "none"]),
    "before": st.none() | st.text("Ax1.", max_size=4),
    "after": st.none() | st.text("Ax1.", max_size=4),
}


@pytest.mark.parametrize("kind", ["cells", "clones", "moved"])
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_cell_that_was_tampered_with_is_found(
    runs: dict[str, tuple[Path, Path]], kind: str, data: st.DataObject
) -> None:
    source, output = runs[kind]
    honest = output.read_text(encoding="utf-8")
    rows = [line.split(",") for line in honest.splitlines()]
    row = rows[data.draw(st.integers(1, len(rows) - 1), "row")]
    place = data.draw(st.integers(0, 3), "column")
    row[place] = data.draw(st.sampled_from(["", "x", "7.25", row[place] + "1"]).filter(lambda t: t != row[place]))
    try:
        written(output, "".join(",".join(row) + "\n" for row in rows))
        assert diff(source, output).truth.count > 0
    finally:
        written(output, honest)


def test_lies_are_told(command: Command, runs: dict[str, tuple[Path, Path]], sample: Path, tmp_path: Path) -> None:
    source, output = runs["cells"]
    for path in output.parent.glob("cells.csv*"):
        shutil.copy(path, tmp_path)
    mine = tmp_path / "cells.csv"
    table = pq.read_table(truth_of(mine))
    after = table["after"].to_pylist()
    after[-1] = "elsewhere"
    place = table.schema.get_field_index("after")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(after)), truth_of(mine))
    found = command("diff", source, mine)
    assert (found.code, "1 lie" in found.err, "said to have become 'elsewhere'" in found.err) == (4, True, True)
    assert command("diff", source, mine, "--json").json["truth"]["count"] == 1
    other = written(tmp_path / "other.csv", source.read_text(encoding="utf-8").replace("Lima", "Limes"))
    assert "not the input" in command("diff", other, mine).err
    for data in (b"PAR1", (sample / "customers.parquet").read_bytes()):
        truth_of(mine).write_bytes(data)
        found = command("diff", source, mine)
        assert (found.code, len(found.errors), "put back" in found.err) == (3, 1, True)


def test_images_and_their_truth(command: Command, recipe: Callable[..., Path], sample: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    steps = ("op: gaussian_noise, rate: 0.5", "op: cutout, rate: 0.3")
    assert command("augment", sample / "images", "-r", recipe(*steps), "-o", output, "--truth").code == 0
    found = command("diff", sample / "images", output, "--json")
    entries = json.loads((tmp_path / "out.noisecli.json").read_text())["outputs"]
    drawn = {entry["path"] for entry in entries if "drawn" in entry}
    assert (found.code, {image["path"] for image in found.json["images"]}) == (0, drawn)
    unstruck = output / next(e["path"] for e in entries if e["path"].endswith(".png") and e["path"] not in drawn)
    Image.fromarray(255 - np.asarray(Image.open(unstruck))).save(unstruck)
    assert "no line says so" in command("diff", sample / "images", output).err
    struck = next(name for name in drawn if name.endswith(".png"))
    shutil.copy(sample / "images" / struck, output / struck)
    assert f"{struck}: is said to have changed, and is the clean file" in command("diff", sample / "images", output).err
    table = pq.read_table(truth_of(output))
    pq.write_table(table.slice(1), truth_of(output))
    assert "the manifest says" in command("diff", sample / "images", output).err
    said = [text and text.replace("0.", "1.", 1) for text in table["drawn"].to_pylist()]
    place = table.schema.get_field_index("drawn")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(said)), truth_of(output))
    assert "is not what the manifest says" in command("diff", sample / "images", output).err


def test_images_of_other_classes_clones_and_mixtures(
    command: Command, recipe: Callable[..., Path], sample: Path, tmp_path: Path
) -> None:
    """An honest truth holds; a JPEG that was mixed with itself, or only encoded again, is no lie."""
    source, output = tmp_path / "in", tmp_path / "out"
    shutil.copytree(sample / "images" / "train", source)
    steps = (
        "op: gaussian_noise, rate: 0.3",
        "op: label_flip, rate: 0.2",
        "op: mixup, rate: 1, alpha: 1",
        "op: duplicate, rate: 0.2",
        "op: near_duplicate, rate: 0.2",
    )
    assert command("augment", source, "-r", recipe(*steps), "-o", output, "--truth").code == 0
    found = command("diff", source, output, "--json")
    assert (found.code, found.json["truth"]["count"]) == (0, 0)
    hows = Counter(image["how"] for image in found.json["images"])
    lines = Counter(pq.read_table(truth_of(output))["step"].to_pylist())
    assert hows["clone"] == lines["duplicate"] + lines["near_duplicate"] > 5
    assert hows["class"] >= lines["label_flip"] == 6
    assert f"{hows['class']} have another class" in command("diff", source, output).out
    table = pq.read_table(truth_of(output))
    place = table.schema.get_field_index("after")
    said = [after and "nowhere" for after in table["after"].to_pylist()]
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(said)), truth_of(output))
    assert "6 lies" in command("diff", source, output).err


@pytest.mark.parametrize("name", ["in.csv", "in.parquet"])
def test_each_result_of_a_sweep(
    command: Command, recipe: Callable[..., Path], sample: Path, tmp_path: Path, name: str
) -> None:
    source, output = tmp_path / name, tmp_path / "out"
    lines = (sample / "customers.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    written(tmp_path / "in.csv", "".join(lines[:300]))
    if name == "in.parquet":
        pq.write_table(pyarrow.csv.read_csv(tmp_path / "in.csv"), source)
    steps = ("op: float_instability, columns: income", "op: typo, columns: [name, city]", "op: drop, rate: 0.1")
    path = recipe(*steps, copies=2, sweep="{steps.drop.rate: [0, 0.2]}", purpose="evaluate")
    assert command("augment", source, "-r", path, "-o", output, "--truth").code == 0
    assert "name one of them" in command("diff", source, output).err
    for folder in ("drop.rate=0", "drop.rate=0.2/copy=2", f"drop.rate=0.2/copy=1/{name}"):
        assert command("diff", source, output / folder, "--json").json["truth"]["count"] == 0
    found = (command("diff", source, output / f"drop.rate={rate}", "--json").json for rate in (0, 0.2))
    none, some = (each["rows"]["removed"] for each in found)
    assert none == 0 < some


@pytest.mark.parametrize("layout", ["copies", "merged"])
def test_a_folder(command: Command, recipe: Callable[..., Path], clean: Path, tmp_path: Path, layout: str) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("a.csv", "b.csv", "test.csv"):
        shutil.copy(clean, source / name)
    written(source / "readme.txt", "read me")
    keep = layout == "copies"
    steps = ("op: gaussian_noise, columns: height, sigma: 2", "op: duplicate, rate: 0.5", "op: shuffle")
    path = recipe(*steps, copies=2, layout=layout, keep_original=str(keep).lower())
    assert command("augment", source, "-r", path, "-o", output, "--truth").code == 0
    for copy in (1, 2):
        found = command("diff", source, output, "--copy", copy, "--json").json
        assert (found["truth"]["count"], found["missing"], found["added"], found["others"]) == (0, [], [], [])
        assert {cell["file"] for cell in found["cells"]} == {"a.csv", "b.csv"}
    if keep:
        assert command("diff", source, output, "--copy", 0, "--exit-code").code == 0
    folder = output / "copy=1" if keep else output
    written(folder / "readme.txt", "read him")
    written(folder / "more.csv", CLEAN)
    (folder / "test.csv").unlink()
    found = command("diff", source, output, "--json").json
    assert (found["missing"], found["added"], found["others"]) == (
        ["test.csv"],
        [str(folder / "more.csv")],
        ["readme.txt"],
    )
