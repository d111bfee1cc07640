"""Reports on noisy outputs: their figures, what their page says, and what they never do."""

import base64
import csv
import io
import json
import math
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

import noisecli
from noisecli import report
from noisecli.compare.model import Drift
from noisecli.report.figures import TABLE_COLUMNS
from noisecli.report.measures import IMAGE_MEASURES, TABLE_MEASURES
from noisecli.report.words import drift_word

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_data"

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "{{ 7 * 7 }}",
    "$\\frac{1",
    "bell\x07\u202e名前",
]


class Page(HTMLParser):
    """Elements, and the text of each section."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.sections, self.links = [], {}, []
        self._section, self.head = "", ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "section":
            self._section = attributes["id"]
            self.sections[self._section] = ""
        self.links += [attributes[key] for key in ("href", "src", "xlink:href") if key in attributes]

    def handle_data(self, data):
        if self._section:
            self.sections[self._section] += data
        else:
            self.head += data


def pixels(file):
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"), float)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A noisy table with its truth, and the page about it."""
    folder = tmp_path_factory.mktemp("table")
    done = noisecli.augment(
        SAMPLE / "customers.csv", ROOT / "examples" / "customers.yaml", folder / "noisy.csv", truth=True
    )
    report.make(done.output, SAMPLE / "customers.csv", page=folder / "report.html")
    return done


@pytest.fixture(scope="module")
def page(table):
    return Page(table.output.with_name("report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Noisy images, and the page about them."""
    folder = tmp_path_factory.mktemp("images")
    done = noisecli.augment(SAMPLE / "images", ROOT / "examples" / "photos.yaml", folder / "noisy")
    report.make(done.output, SAMPLE / "images", page=folder / "report.html")
    return done


def test_the_page_tells_what_the_manifest_records(page, table):
    manifest = table.manifest
    assert f"at seed {manifest.seed}" in page.head
    for step in manifest.steps:
        assert step.id in page.sections["rates"]
        assert step.op in page.sections["recipe"]
    written = page.sections["recipe"].partition("gives the same noise again.")[2]
    assert YAML(typ="safe").load(written) == manifest.recipe
    assert "✓ yes" in page.sections["summary"]
    assert manifest.recipe_sha256 in page.sections["provenance"]
    assert "income" in page.sections["drift"]
    contents = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert contents == ["#main", *(f"#{name}" for name in page.sections)]


def test_the_page_refers_to_nothing_outside_of_it(page, images):
    pages = [page, Page(images.output.with_name("report.html").read_text(encoding="utf-8"))]
    for each in pages:
        assert all(link.startswith(("#", "data:")) for link in each.links)
        assert not {"script", "iframe", "object", "form"} & {tag for tag, _ in each.tags}
        policy = next(a["content"] for tag, a in each.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert policy.startswith("default-src 'none'")
    pictures = [a for tag, a in pages[1].tags if tag == "img"]
    assert pictures
    assert all(a["alt"] and a["src"].startswith("data:image/jpeg") for a in pictures)
    sides = {"clean": SAMPLE / "images", "noisy": images.output}
    for picture in pictures:
        path, side = picture["alt"].rsplit(", ", 1)
        drawn = pixels(io.BytesIO(base64.b64decode(picture["src"].partition(",")[2])))
        apart = {name: np.abs(drawn - pixels(folder / path)).mean() for name, folder in sides.items()}
        assert min(apart, key=apart.get) == side


def test_the_same_input_gives_the_same_bytes(table, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "customers.csv").write_bytes((SAMPLE / "customers.csv").read_bytes())
    report.make(table.output, tmp_path / "deep" / "customers.csv", page=tmp_path / "again.html")
    again = (tmp_path / "again.html").read_bytes()
    assert again == table.output.with_name("report.html").read_bytes()
    assert str(tmp_path).encode() not in again
    assert str(ROOT).encode() not in again


def test_json_has_all_figures(command, table):
    figures = command("report", table.output, "--input", SAMPLE / "customers.csv", "--json").json
    manifest = table.manifest
    assert figures["verified"] is True
    assert figures["seed"] == manifest.seed
    noise = figures["steps"]["gaussian_noise"]["columns"]["age"]
    counts = manifest.steps[0].columns["age"]
    assert (noise["eligible"], noise["struck"]) == (counts["eligible"], counts["struck"])
    gaps = figures["steps"]["missing"]["columns"]["visits"]
    low, high = gaps["chance"]
    margin = 4 * math.sqrt(0.15 * 0.85 / gaps["eligible"])
    assert (gaps["asked"], low, high) == (0.15, pytest.approx(0.15 - margin), pytest.approx(0.15 + margin))
    assert gaps["within_chance"] == (low <= gaps["struck"] / gaps["eligible"] <= high)
    assert figures["steps"]["label_flip"]["columns"]["churn"]["chance"] is None  # exact
    visits = figures["columns"]["visits"]
    assert visits["noisy"]["missing"] > visits["clean"]["missing"]
    assert figures["columns"]["customer_id"]["drift"]["psi"] in (None, pytest.approx(0, abs=0.01))
    assert figures["rows"]["noisy"] > figures["rows"]["clean"]  # duplicates


def test_json_is_strict_where_images_are_equal(command, images, tmp_path):
    """Two folders of equal images: an infinite ratio is no number of JSON."""
    result = command("report", SAMPLE / "images", "--input", SAMPLE / "images", "--json")
    figures = json.loads(result.out, parse_constant=pytest.fail)
    assert figures["verified"] is None
    assert figures["images"]["compared"] == figures["images"]["equal"] > 0
    assert figures["images"]["psnr"] is None


def test_csv_has_a_line_for_each_column_and_each_image(command, table, images, tmp_path):
    for done, source, names in (
        (table, SAMPLE / "customers.csv", {"customer_id", "age", "churn", "note"}),
        (images, SAMPLE / "images", {"train/discs/discs_00.jpg", "train/discs/discs_00.png"}),
    ):
        file = tmp_path / "measures.csv"
        result = command("report", done.output, "--input", source, "--csv", file)
        assert result.code == 0, result.err
        lines = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
        assert names & {line.get("column", line.get("path")) for line in lines}
        assert all(float(line[key]) >= 0 for line in lines for key in ("psi", "psnr") if line.get(key))
        file.unlink()
    assert not (Path.cwd() / "report.html").exists()


def test_without_the_extra_the_page_says_what_to_install(command, table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = tmp_path / "report.html"
    result = command("report", table.output, "--input", SAMPLE / "customers.csv", "-o", page)
    assert result.code == 1
    assert len(result.errors) == 1
    assert "pip install 'noisecli[report]'" in result.err
    assert not page.exists()
    assert command("report", table.output, "--input", SAMPLE / "customers.csv", "--json").code == 0


def test_hostile_names_and_cells_stay_text(tmp_path):
    data = tmp_path / "clean.csv"
    with data.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HOSTILE)
        for i in range(120):
            writer.writerow(
                [f"<script>alert({i % 5})</script>", f"</svg><b onclick=x>{i}", i % 50, i * 0.5, f"a\u200b\u202e{i}"]
            )
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "noisecli: 1\nseed: 1\nsteps:\n  - {op: typo, id: '<i>t', columns: text, rate: 0.5}\n"
        "  - {op: missing, columns: all, rate: 0.2}\n  - {op: gaussian_noise, columns: numeric}\n"
    )
    done = noisecli.augment(data, recipe, tmp_path / "<b>noisy.csv", truth=True)
    report.make(done.output, data, page=tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert not {"script", "i>t"} & {tag for tag, _ in page.tags}
    assert {a.get("src", "data:")[:5] for tag, a in page.tags if tag == "img"} <= {"data:"}
    assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
    assert HOSTILE[0] in page.sections["drift"]
    assert "{{ 7 * 7 }}" in page.sections["drift"]
    assert not {"\x07", "\u202e", "\u200b"} & set(html)
    assert "U+200B" in page.sections["texts"]


def test_what_someone_else_made_noisy_is_compared_too(command, tmp_path):
    (tmp_path / "clean.csv").write_text("a,b\n" + "".join(f"{i},word {i}\n" for i in range(60)))
    (tmp_path / "noisy.csv").write_text("a,b\n" + "".join(f"{i + i % 2},w{'ou'[i == 7]}rd {i}\n" for i in range(60)))
    page = tmp_path / "page.html"
    result = command("report", tmp_path / "noisy.csv", "--input", tmp_path / "clean.csv", "-o", page)
    assert result.code == 0, result.err
    html = page.read_text(encoding="utf-8")
    sections = Page(html).sections
    assert "no manifest" in sections["summary"]
    assert "w<del>o</del>rd 7<" in html
    assert "w<ins>u</ins>rd 7<" in html
    assert not {"rates", "recipe", "provenance", "warnings"} & set(sections)


def test_a_changed_output_is_told(command, table, tmp_path):
    for path in table.output.parent.glob("noisy.csv*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    noisy = tmp_path / "noisy.csv"
    noisy.write_bytes(noisy.read_bytes().replace(b"\n", b"\r\n"))
    page = tmp_path / "page.html"
    result = command("report", noisy, "--input", SAMPLE / "customers.csv", "-o", page)
    assert "not as the manifest says: noisy.csv: differs" in result.err
    assert "✗ no" in Page(page.read_text(encoding="utf-8")).sections["summary"]
    other = tmp_path / "customers.csv"
    other.write_bytes((SAMPLE / "customers.csv").read_bytes().replace(b"0", b"1"))
    assert "the input customers.csv" in command("report", table.output, "--input", other, "--json").err


def test_a_rate_that_chance_does_not_explain_comes_first(command, table, tmp_path):
    """Counts of a manifest are not hashed; so they can be made wrong here."""
    (tmp_path / "noisy.csv").write_bytes(table.output.read_bytes())
    told = json.loads(table.manifest_path.read_bytes())
    counts = next(step for step in told["steps"] if step["id"] == "missing")["columns"]["visits"]
    counts["struck"] = counts["eligible"]
    (tmp_path / "noisy.csv.noisecli.json").write_text(json.dumps(told))
    page = tmp_path / "page.html"
    result = command("report", tmp_path / "noisy.csv", "--input", SAMPLE / "customers.csv", "-o", page, "--json")
    visits = result.json["steps"]["missing"]["columns"]["visits"]
    assert visits["within_chance"] is False
    rates = Page(page.read_text(encoding="utf-8")).sections["rates"]
    assert rates.count("✗ outside") == 1
    assert rates.index("✗ outside") < rates.index("✓ within")


def test_the_documentation_explains_every_measure():
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for measure in (*TABLE_MEASURES, *IMAGE_MEASURES):
        assert f"| {measure.short} |" in text
        assert measure.source.split(",")[0].split()[-1] in text  # its year


def test_only_an_older_report_is_replaced(command, table, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<html>my own")
    arguments = ("report", table.output, "--input", SAMPLE / "customers.csv", "-o")
    refused = command(*arguments, page)
    assert refused.code == 2
    assert "is not a report of noisecli" in refused.err
    assert page.read_text() == "<html>my own"
    page.write_bytes(table.output.with_name("report.html").read_bytes() + b"<!-- older -->")
    assert command(*arguments, page).code == 0
    assert page.read_bytes() == table.output.with_name("report.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html"]


def test_shares_and_pictures_of_odd_columns(tmp_path):
    """Gaps in rows that cannot be cut into equal stretches; texts that differ at their ends; huge numbers."""
    lines = [f"{i},{'x' * 700}abc {i},{'-' * (i % 2)}1.7e308\n" for i in range(90)]
    (tmp_path / "clean.csv").write_text("gap,text,huge\n" + "".join(lines))
    lines = [f"{'' if i % 3 == 0 else i},{'x' * 700}abd {i},{i}\n" for i in range(90)]
    page = tmp_path / "page.html"
    (tmp_path / "noisy.csv").write_text("gap,text,huge\n" + "".join(lines))
    report.make(tmp_path / "noisy.csv", tmp_path / "clean.csv", page=page)
    html = page.read_text(encoding="utf-8")
    sections = Page(html).sections
    assert "gap 0.0\u202f% to 33.3\u202f%" in html
    assert "33.3\u202f%" in sections["missing"].partition("The same as numbers")[2]
    assert "ab<del>c</del>" in html
    assert "ab<ins>d</ins>" in html
    assert "lie beyond" not in sections["columns"]


def test_figures_of_a_page_are_those_of_the_data(tmp_path):
    """Every second row is left; of these a fifth has another city, and one of 3,000 a number far away."""
    city = ["Bonn" if i % 10 < 6 else "Ulm" for i in range(6000)]
    lines = [f"{i},{city[i]},{i % 50}.5\n" for i in range(6000)]
    (tmp_path / "clean.csv").write_text("id,city,x\n" + "".join(lines))
    lines = [f"{i},{'Ulm' if i % 10 == 4 else city[i]},{i % 50 if i else 1000}.5\n" for i in range(0, 6000, 2)]
    (tmp_path / "noisy.csv").write_text("id,city,x\n" + "".join(lines))
    page = tmp_path / "page.html"
    report.make(tmp_path / "noisy.csv", tmp_path / "clean.csv", page=page, table=tmp_path / "t.csv", key="id")
    html = page.read_text(encoding="utf-8").replace("\u202f", " ")
    table = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    shares = {line["column"]: float(line["changed_share"]) for line in csv.DictReader(table)}
    assert shares == {"id": 0, "city": 0.2, "x": pytest.approx(1 / 3000)}
    sections = Page(html).sections
    assert "20.0 % changed" in sections["columns"]
    assert "<0.1 % changed, 0.03 % lie beyond the picture (0.500 to 1 000)" in sections["columns"]
    # Bonn had 60 %, the most, and Ulm has it now: a moderate shift, (0.6 - 0.4) ln(0.6 / 0.4) twice.
    after, before = '<i class="after" style="width:66.7%">', '<i class="before" style="width:100.0%">'
    assert f'Bonn</span></th><td><span class="bar" aria-hidden="true">{after}</i>{before}</i></span></td>' in html
    assert "60.0 % → 40.0 %" in sections["columns"]
    assert "0.162" in sections["drift"]
    assert "moderate" in sections["drift"]
    large, moderate = Drift(psi=0.26), Drift(psi=0.25)
    assert (drift_word(large), drift_word(moderate), drift_word(Drift(psi=0.09))) == ("large", "moderate", "small")


def test_the_data_is_never_replaced(command, tmp_path):
    """Not even where it looks like a report."""
    header = ",".join(TABLE_COLUMNS) + "\n"
    clean, noisy, mine = (tmp_path / name for name in ("clean.csv", "noisy.csv", "mine.csv"))
    for path in (clean, noisy):
        path.write_text(header + "age" + ",1" * header.count(",") + "\n")
    mine.write_text("id,path,psnr,ssim\n1,a.png,2,3\n")
    (tmp_path / "link.csv").symlink_to(clean)
    for option, path in (("-o", clean), ("--csv", noisy), ("--csv", mine), ("-o", tmp_path / "link.csv")):
        before = path.read_bytes()
        assert command("report", noisy, "--input", clean, option, path).code == 2
        assert path.read_bytes() == before
    both = tmp_path / "both.html"
    assert command("report", noisy, "--input", clean, "-o", both, "--csv", both).code == 2
    assert not both.exists()


def test_no_report_is_put_into_the_data(command, images):
    for folder in (images.output, SAMPLE / "images"):
        result = command("report", images.output, "--input", SAMPLE / "images", "-o", folder / "report.html")
        assert result.code == 2
        assert "lies inside" in result.err
        assert not (folder / "report.html").exists()
