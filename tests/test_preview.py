"""Preview: what a recipe does to some rows or images, which has to be what augment does to them."""

import gzip
import json
import re
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

ROWS = 30_000
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
STEPS = (
    "op: gaussian_noise, columns: [size, weight], sigma: 0.2",
    "op: typo, columns: name, rate: 0.1",
    "op: missing, columns: [weight, kind], rate: 0.05",
    "op: category_swap, columns: kind, rate: 0.05",
)


def write_rows(path, count=ROWS, odd=None):
    rng = np.random.default_rng(3)
    size, weight = rng.normal(100, 15, count), rng.exponential(8, count)
    kinds = ["ash", "birch", "cedar"]
    rows = [
        f"{i},{size[i]:.3f},{'much' if i == odd else f'{weight[i]:.3f}'},Somebody Quick {i % 97},{kinds[i % 3]}"
        for i in range(count)
    ]
    path.write_text("id,size,weight,name,kind\n" + "\n".join(rows) + "\n")
    return path


def truth_of(output):
    lines = pq.read_table(f"{output}.noisecli-truth.parquet").to_pylist()
    by_row = {}
    for line in lines:
        by_row.setdefault((line["file"], line["row"]), []).append(line)
    return by_row


def changes(lines):
    keys = ("column", "step", "before", "after")
    return sorted(tuple(line[key] for key in keys) for line in lines if line["column"] is not None)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file that is larger than what is looked at as a whole."""
    return write_rows(tmp_path_factory.mktemp("large") / "large.csv")


def test_rows_are_those_of_augment(command, recipe, large, tmp_path):
    made = recipe(*STEPS)
    found = command("preview", large, "-r", made, "--exact", "--json", "--rows", 20).json
    assert not found["whole"]
    assert found["facts"] == {"kind": "exact", "rows": ROWS, "of_about": None}
    assert command("augment", large, "-r", made, "-o", tmp_path / "o.csv", "--truth", "-q").code == 0
    truth = truth_of(tmp_path / "o.csv")
    assert len(found["rows"]) == 20
    for row in found["rows"]:
        assert changes(row["changes"]) == changes(truth[".", row["row"]])
    units = {(change["step"], change["column"]) for row in found["rows"] for change in row["changes"]}
    assert units == {(count["step"], count["column"]) for count in found["counts"]}
    looked_at = [line for (_, row), lines in truth.items() if row < found["looked_at"] for line in lines]
    for count in found["counts"]:
        if count["op"] != "typo":  # it counts words, of which several may be in a cell
            mine = [line for line in looked_at if (line["step"], line["column"]) == (count["step"], count["column"])]
            assert count["changed"] == len(mine)


def test_approximate_facts_change_no_strike(command, recipe, large, tmp_path, monkeypatch):
    monkeypatch.setattr("noisecli.preview.tables.FACTS_BYTES", 512 << 10)
    made = recipe(*STEPS)
    found = command("preview", large, "-r", made, "--json", "--rows", 50).json
    assert found["facts"]["kind"] == "approximate"
    assert found["facts"]["of_about"] == pytest.approx(ROWS, rel=0.05)
    assert command("augment", large, "-r", made, "-o", tmp_path / "o.csv", "--truth", "-q").code == 0
    truth = truth_of(tmp_path / "o.csv")
    assert found["rows"]
    for row in found["rows"]:
        mine, theirs = changes(row["changes"]), changes(truth[".", row["row"]])
        assert [change[:2] for change in mine] == [change[:2] for change in theirs]
        for (_, step, _, after), (*_, expected) in zip(mine, theirs, strict=True):
            if step == "gaussian_noise":
                assert float(after) == pytest.approx(float(expected), rel=0.05, abs=0.5)
            else:
                assert after == expected


def test_approximate_facts_come_from_all_over(command, recipe, tmp_path, monkeypatch):
    """The first rows hardly vary, the others do."""
    monkeypatch.setattr("noisecli.preview.tables.FACTS_BYTES", 512 << 10)
    numbers = np.where(np.arange(200_000) < 120_000, 0, 1000) * (np.arange(200_000) % 2)
    (tmp_path / "late.csv").write_text("id,x\n" + "".join(f"{i},{x}\n" for i, x in enumerate(numbers)))
    found = command("preview", tmp_path / "late.csv", "-r", recipe("op: gaussian_noise, columns: x"), "--json").json
    assert found["looked_at"] < 120_000
    moved = [abs(float(c["after"]) - float(c["before"])) for row in found["rows"] for c in row["changes"]]
    assert np.median(moved) > 0.1 * numbers.std() * 0.2  # sigma: 0.1; half of all normal numbers lie beyond 0.67


def test_what_an_excerpt_did_not_show_is_carried(command, recipe, tmp_path, monkeypatch):
    """A text among numbers, in the rows looked at and at none of the places that the facts come from."""
    monkeypatch.setattr("noisecli.preview.tables.FACTS_BYTES", 512 << 10)
    source = write_rows(tmp_path / "odd.csv", odd=3_000)
    found = command("preview", source, "-r", recipe(STEPS[0]), "--json")
    assert found.code == 0, found.err
    assert found.json["looked_at"] > 3_000
    eligible = {count["column"]: count["eligible"] for count in found.json["counts"]}
    assert eligible["weight"] == eligible["size"] - 1


def test_what_only_the_whole_input_shows_is_said_to_need_it(command, recipe, tmp_path):
    """Only the start of a packed file is looked at, and there a column of numbers has no number yet."""
    rows = "".join(f"{i},{i if i > 280_000 else ''}\n" for i in range(300_000))
    source = tmp_path / "late.csv.gz"
    source.write_bytes(gzip.compress(f"id,late\n{rows}".encode(), 1))
    made = recipe("op: gaussian_noise, columns: late")
    refused = command("preview", source, "-r", made)
    assert (refused.code, len(refused.errors)) == (2, 1)
    assert "--exact reads all" in refused.err
    assert command("preview", source, "-r", made, "--exact").code == 0


def test_nothing_is_written(command, recipe, tmp_path, tree, monkeypatch):
    (tmp_path / "work").mkdir()
    source, made = write_rows(tmp_path / "work" / "t.csv", 50), recipe(*STEPS)
    monkeypatch.chdir(tmp_path / "work")
    before = tree(tmp_path)
    assert command("preview", source, "-r", made).code == 0
    assert tree(tmp_path) == before


def test_the_seed_that_was_drawn_gives_the_same(command, recipe, tmp_path):
    source, made = write_rows(tmp_path / "t.csv", 200), recipe(*STEPS, seed="null")
    found = command("preview", source, "-r", made, "--json").json
    assert found["seed_drawn"]
    arguments = ("augment", source, "-r", made, "-o", tmp_path / "o.csv", "--truth", "-q", "--seed", found["seed"])
    assert command(*arguments).code == 0
    truth = truth_of(tmp_path / "o.csv")
    assert all(changes(row["changes"]) == changes(truth[".", row["row"]]) for row in found["rows"])
    assert str(found["seed"]) not in command("preview", source, "-r", made).out


def test_rows_that_come_and_go(command, recipe, tmp_path):
    source = write_rows(tmp_path / "t.csv", 300)
    made = recipe(
        "op: duplicate, columns: name, errors: 1, rate: 0.05",
        "op: drop, rate: 0.05",
        "op: shuffle, rate: 0.02",
        data="{id: id}",
    )
    found = command("preview", source, "-r", made, "--json", "--rows", 30).json
    assert command("augment", source, "-r", made, "-o", tmp_path / "o.csv", "-q").code == 0
    ids = [int(line.split(",")[0]) for line in (tmp_path / "o.csv").read_text().splitlines()[1:]]
    fates = {}
    for row in found["rows"]:
        fates.setdefault((row["fate"], row["by"]), []).append(row)
        assert row["cells"]["id"] == str(row["row"])
        if row["fate"] == "left out":
            clones = [other for other in found["rows"] if (other["row"], other["fate"]) == (row["row"], "clone")]
            assert ids.count(row["row"]) == len(clones)
        else:
            assert ids[row["output_row"]] == row["row"]
    assert {("left out", "drop"), ("clone", "duplicate"), ("moved", "shuffle")} <= set(fates)
    clone = fates["clone", "duplicate"][0]
    assert [change["column"] for change in clone["changes"]] == ["name"]
    told = command("preview", source, "-r", made, "--rows", 30).out
    assert f"clone by duplicate, row {clone['output_row']} of the copy" in told


def test_what_is_left_out_shows_no_other_step(command, recipe, tmp_path):
    source = write_rows(tmp_path / "t.csv", 200)
    made = recipe("op: typo, columns: name, rate: 0.3", "op: drop, rate: 0.8")
    rows = command("preview", source, "-r", made, "--json", "--rows", 2).json["rows"]
    assert {row["by"] for row in rows} == {"drop", None}
    assert [bool(row["changes"]) for row in rows] == [row["fate"] == "" for row in rows]


def test_columns_that_only_the_copy_has(command, recipe, tmp_path):
    source = write_rows(tmp_path / "t.csv", 60)
    made = recipe("op: label_smoothing, epsilon: 0.3", data="{label: kind, id: id}")
    found = command("preview", source, "-r", made, "--json").json
    assert found["added"] == ["kind__p__ash", "kind__p__birch", "kind__p__cedar"]
    assert len(found["rows"]) == 12
    for row in found["rows"]:
        expected = [0.8 if name.endswith(row["cells"]["kind"]) else 0.1 for name in row["added"]]
        assert list(map(float, row["added"].values())) == pytest.approx(expected)


def test_dirt_is_shown_as_it_is_written(command, recipe, tmp_path):
    source = write_rows(tmp_path / "t.csv", 100)
    made = recipe("op: mixed_line_ends, rate: 0.1", "op: bom", "op: decimal_comma, columns: size, rate: 0.1")
    found = command("preview", source, "-r", made, "--json").json
    by_step = {line["step"]: line for line in found["lines"]}
    assert set(by_step) == {"mixed_line_ends", "bom", "decimal_comma"}
    assert by_step["bom"]["after"] == "\ufeff" + by_step["bom"]["before"]
    told = command("preview", source, "-r", made).out
    assert r"\ufeffid,size" in told
    assert r"\r\n" in told
    assert f"{by_step['decimal_comma']['before']} -> {by_step['decimal_comma']['after']}" in told


def test_a_sweep_shows_its_strongest(command, recipe, tmp_path):
    source = write_rows(tmp_path / "t.csv", 200)
    made = recipe("op: typo, columns: name", sweep="{steps.typo.rate: [0.1, 0.9, 0.3]}", copies=3)
    found = command("preview", source, "-r", made, "--json").json
    assert found["combinations"] == ["typo.rate=0.1", "typo.rate=0.9", "typo.rate=0.3"]
    assert found["shown"] == "typo.rate=0.9"
    assert [count["rate"] for count in found["counts"]] == [0.1, 0.9, 0.3]


@pytest.mark.parametrize("width", [160, 80, 40])
def test_what_cannot_be_seen_is_shown(width, command, recipe, tmp_path, monkeypatch):
    rows = "key,text,other\n" + "".join(f"{key},paypal acme,x{key}\n" for key in "abcdefgh")
    (tmp_path / "t.csv").write_text(rows)
    made = recipe(
        "op: homoglyph, columns: text, rate: 1, where: {key: [a, b]}",
        "op: zero_width, columns: text, rate: 1, where: {key: [c, d]}",
        "op: missing, columns: text, rate: 1, where: {key: [e, f]}",
    )
    if width < 160:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(width))
    told = command("preview", tmp_path / "t.csv", "-r", made).out
    assert (ESCAPE.search(told) is not None) == (width < 160)
    lines = ESCAPE.sub("", told).splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert re.search(r"\\u0[3-9a-f]", text)  # Greek, Cyrillic, Armenian letters
    assert re.search(r"\\u(20|fe)", text)
    assert text.count("-> (missing)") == 2
    assert text.isascii() or width < 160


def test_many_columns_make_a_list(command, recipe, tmp_path):
    names = [f"column_{i}" for i in range(40)]
    rows = [",".join(names), *(",".join(str(i * j % 17) for j in range(40)) for i in range(30))]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    told = command("preview", tmp_path / "t.csv", "-r", recipe("op: missing, columns: all, rate: 0.5"), "--rows", 2).out
    assert re.search(r"^row \d+", told, re.MULTILINE)
    assert re.search(r"^  column_3 .* -> \(missing\) +missing$", told, re.MULTILINE)
    all_of_them = command(
        "preview", tmp_path / "t.csv", "-r", recipe("op: missing, columns: all, rate: 1"), "--rows", 2
    )
    assert all_of_them.out.count("-> (missing)") == 2 * 24
    assert all_of_them.out.count("and 16 more cells") == 2


def test_a_small_folder_is_looked_at_as_a_whole_however_its_files_differ(command, recipe, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("x\n1\n2\n")
    (tmp_path / "in" / "b.csv").write_text("x\n" + "123456789\n" * 60_000)  # more than half of what fits
    made = recipe("op: scale, columns: x, factor: 2, rate: 0.001")
    found = command("preview", tmp_path / "in", "-r", made, "--json").json
    assert (found["whole"], found["facts"]["kind"], found["looked_at"]) == (True, "exact", 60_002)


def test_facts_of_all_rows_are_exact(command, recipe, tmp_path):
    (tmp_path / "t.csv").write_text("x\n" + "123456789\n" * 150_000)  # some rows are looked at, facts come from all
    made = recipe("op: scale, columns: x, factor: 2, rate: 0.001")
    found = command("preview", tmp_path / "t.csv", "-r", made, "--json").json
    assert (found["whole"], found["facts"]) == (False, {"kind": "exact", "rows": 150_000, "of_about": None})


def test_faults_speak_of_the_input(command, recipe, tmp_path):
    source = write_rows(tmp_path / "t.csv", 20)
    with source.open("a") as file:
        file.write("1,2\n")
    done = command("preview", source, "-r", recipe(*STEPS))
    assert done.code == 3
    assert "t.csv" in done.errors[0]
    assert "noisecli-" not in done.err
    assert command("preview", source, "-r", recipe(*STEPS), "-o", "x.png").code == 2
    unknown = command("preview", source, "-r", recipe("op: typo, columns: nome"))
    assert unknown.code == 2
    assert "did you mean 'name'" in unknown.err


def test_nothing_is_loaded_that_takes_longer_than_a_preview(recipe, tmp_path):
    """Pyarrow would import pandas."""
    script = """if True:
        import sys
        from noisecli.cli import main
        try:
            main()
        except SystemExit as left:
            assert not left.code, left.code
        assert not {"pandas", "scipy", "matplotlib"} & set(sys.modules)
        import pyarrow
        assert len(pyarrow.array([1, 2]).to_pandas()) == 2
    """
    source = write_rows(tmp_path / "t.csv", 20)
    arguments = ["preview", source, "-r", recipe(*STEPS), "--json"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"]


# Images


def find(picture, sheet):
    """Whether a picture, enlarged by a whole number, is in a sheet."""
    for times in range(1, 9):
        large = picture.repeat(times, axis=0).repeat(times, axis=1)
        first = large[0].tobytes()
        for y in range(len(sheet) - len(large) + 1):
            at = sheet[y].tobytes().find(first)
            if (
                at >= 0
                and at % 3 == 0
                and np.array_equal(sheet[y : y + len(large), at // 3 :][:, : large.shape[1]], large)
            ):
                return True
    return False


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(1)
    for i in range(6):
        path = tmp_path / "in" / f"class{i % 2}" / (f"{i}.png" if i else "0.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(60, 180, (40, 48, 3)).astype(np.uint8)).save(path)
    return tmp_path / "in"


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_the_sheet_shows_what_augment_writes(command, recipe, images, tmp_path):
    steps = "op: gaussian_noise, severity: 2, rate: 0.5", "op: brightness, amount: 0.2, rate: 0.5"
    made = recipe(*steps)
    done = command("preview", images, "-r", made, "-o", tmp_path / "sheet.png", "--json", "--rows", 3)
    assert done.code == 0, done.err
    found = done.json
    sheet = pixels(tmp_path / "sheet.png")
    assert sheet.shape[1] <= 2000
    assert command("augment", images, "-r", made, "-o", tmp_path / "all", "-q").code == 0
    assert command("augment", images, "-r", recipe(steps[0]), "-o", tmp_path / "noise", "-q").code == 0
    drawn = json.loads((tmp_path / "all.noisecli.json").read_text())["outputs"]
    drawn = {entry["path"]: entry.get("drawn") or {} for entry in drawn}
    assert len(found["images"]) == 3
    for image in found["images"]:
        assert find(pixels(images / image["path"]), sheet)
        assert find(pixels(tmp_path / "all" / image["path"]), sheet)
        assert find(pixels(tmp_path / "noise" / image["path"]), sheet)
        got = {on["step"]: on["drawn"] for on in image["steps"] if on["struck"]}
        assert got == drawn[image["path"]]
    assert {on["struck"] for image in found["images"] for on in image["steps"]} == {True, False}
    first = found["images"][0]["path"]
    for severity in (1, 5):
        strong = recipe("op: gaussian_noise, rate: 1, severity: " + str(severity))
        assert command("augment", images, "-r", strong, "-o", tmp_path / f"at{severity}", "-q").code == 0
        assert find(pixels(tmp_path / f"at{severity}" / first), sheet)


def test_a_sheet_takes_the_place_of_a_sheet_only(command, recipe, images, tmp_path, monkeypatch, tree):
    monkeypatch.chdir(tmp_path)
    made = recipe("op: brightness, severity: 1")
    assert command("preview", images, "-r", made).code == 0
    first = (tmp_path / "preview.png").read_bytes()
    assert command("preview", images, "-r", made, "--severity", 4).code == 0
    assert (tmp_path / "preview.png").read_bytes() != first
    mine = tmp_path / "mine.png"
    Image.new("RGB", (4, 4)).save(mine)
    before = tree(tmp_path)
    for sheet in (mine, images / "sheet.png", tmp_path / "sheet.jpg", tmp_path):
        done = command("preview", images, "-r", made, "-o", sheet)
        assert done.code == 2
        assert len(done.errors) == 1
    assert tree(tmp_path) == before
    assert command("preview", images, "-r", made, "-o", mine, "--force").code == 0
    assert pixels(mine).shape != (4, 4, 3)


def test_many_steps_wrap_and_sweeps_stand_side_by_side(command, recipe, images, tmp_path):
    steps = [f"op: brightness, id: b{i}, amount: 0.0{i}" for i in range(1, 10)]
    steps += [f"op: cutout, id: c{i}" for i in range(6)]
    sheet = tmp_path / "s.png"
    assert command("preview", images, "-r", recipe(*steps), "-o", sheet, "--rows", 1).code == 0
    assert pixels(sheet).shape[1] <= 2000
    swept = recipe("op: brightness, amount: 0.1", sweep="{steps.brightness.amount: [0.1, 0.4]}")
    found = command("preview", images, "-r", swept, "-o", sheet, "--json").json
    assert found["shown"] == "brightness.amount=0.4"
    assert command("augment", images, "-r", swept, "-o", tmp_path / "o", "-q").code == 0
    for folder in found["combinations"]:
        assert find(pixels(tmp_path / "o" / folder / "copy=1" / found["images"][0]["path"]), pixels(sheet))


def test_a_sweep_of_steps_alone_has_a_block_for_each_step(command, recipe, images, tmp_path):
    steps = ["op: brightness, severity: 1", "op: contrast, severity: 1", "op: fog, severity: 1, rate: 0.5"]
    made, sheet = recipe(*steps, sweep="{severity: [0, 1, 3, 4, 5], steps: alone}"), tmp_path / "s.png"
    swept = command("preview", images, "-r", made, "-o", sheet, "--rows", 1)
    assert "drawn   below for step=fog/severity=5, the last of 15 combinations" in swept.out
    assert "psnr_db" not in swept.out
    assert pixels(sheet).shape[1] == 12 + 6 * 180  # clean, and the five severities of one step


def test_pictures_are_turned_as_viewers_turn_them(command, recipe, tmp_path):
    (tmp_path / "in").mkdir()
    stored = np.arange(40 * 20 * 3, dtype=np.uint8).reshape(40, 20, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "in" / "a.png", exif=exif)
    made, sheet = recipe("op: brightness, amount: 0.1"), tmp_path / "s.png"
    told = command("preview", tmp_path / "in", "-r", made, "-o", sheet).out
    assert "rain may fall sideways" in told
    assert find(np.rot90(stored, -1), pixels(sheet))
