"""The page of a report in a browser: it asks for nothing, complains of nothing, fits every screen, light and dark."""

from itertools import pairwise
from pathlib import Path

import pytest
from browser import PROGRAM, Browser

import noisecli
from noisecli import report

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed")

SERIES = """
noisecli: 1
seed: 3
data: {time: when}
steps:
  - {op: stuck, columns: flow, rate: 0.1, mechanism: {burst: {length: 12}}}
  - {op: gaussian_noise, columns: [flow, heat]}
  - {op: missing, columns: heat, rate: 0.2}
  - {op: typo, columns: note, rate: 0.3}
"""

OVERFLOW = """[...document.querySelectorAll('main *')].filter(each => !each.closest('.scroll, pre, .unseen')
  && each.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
  .map(each => each.outerHTML.slice(0, 99))"""

FAINT = """(() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => parse(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = each => {
    const own = parse(getComputedStyle(each).backgroundColor);
    return own.length < 4 || own[3] > 0 ? getComputedStyle(each).backgroundColor : ground(each.parentElement);
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const each = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !each.checkVisibility()) continue;
    const style = getComputedStyle(each);
    const [a, b] = [light(each.closest('svg') ? style.fill : style.color), light(ground(each))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push([walk.currentNode.data.trim(), (a + 0.05) / (b + 0.05)]);
  }
  return found;
})()"""

HEADINGS = "[...document.querySelectorAll('h1, h2, h3')].map(each => Number(each.tagName[1]))"

UNNAMED = """[...document.querySelectorAll('svg, img, section, nav, [role=region], table th')].filter(each =>
  !(each.getAttribute('aria-label') || each.getAttribute('alt') || each.getAttribute('aria-labelledby')
    || each.getAttribute('scope'))).map(each => each.outerHTML.slice(0, 99))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page about a table with series, texts and gaps, and one about images; ids of the sections that they have."""
    folder = tmp_path_factory.mktemp("pages")
    data = folder / "readings.csv"
    lines = [f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00:00,{i % 17}.{i % 7},{i % 29}.5,word{i}" for i in range(400)]
    data.write_text("when,flow,heat,note\n" + "\n".join(lines) + "\n")
    recipe = folder / "series.yaml"
    recipe.write_text(SERIES)
    done = noisecli.augment(data, recipe, folder / "noisy.csv", truth=True)
    report.make(done.output, data, page=folder / "table.html")
    examples = Path(__file__).parents[1]
    images = examples / "sample_data" / "images"
    done = noisecli.augment(images, examples / "examples" / "photos.yaml", folder / "noisy")
    report.make(done.output, images, page=folder / "images.html")
    table = [
        "summary",
        "rates",
        "drift",
        "columns",
        "missing",
        "correlation",
        "series",
        "texts",
        "recipe",
        "provenance",
    ]
    return {
        (folder / "table.html").as_uri(): table,
        (folder / "images.html").as_uri(): ["summary", "rates", "images", "recipe", "provenance"],
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_and_asks_for_nothing(browser, pages, width, scheme):
    for url, sections in pages.items():
        browser.show(url, width, scheme)
        assert {each for each in browser.requests if not each.startswith("data:")} == {url}
        assert browser.complaints == []
        shown = browser.ask("[...document.querySelectorAll('section')].filter(s => s.checkVisibility()).map(s => s.id)")
        assert [each for each in shown if each != "warnings"] == sections
        assert browser.ask(OVERFLOW) == []
        assert browser.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert browser.ask(FAINT) == []
        dark = browser.ask("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert dark == (scheme == "dark")


def test_everything_has_a_name_and_headings_are_in_order(browser, pages):
    for url in pages:
        browser.show(url, 1280, "light")
        assert browser.ask(UNNAMED) == []
        levels = browser.ask(HEADINGS)
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert browser.ask("document.documentElement.lang") == "en"
        ids = browser.ask("[...document.querySelectorAll('[id]')].map(each => each.id)")
        assert len(ids) == len(set(ids))
        assert browser.ask("document.querySelector('nav a').getAttribute('href')") == "#summary"


def test_a_page_that_does_ask_would_be_found_out(browser, tmp_path):
    """Else the tests above could not fail."""
    page = tmp_path / "page.html"
    page.write_text(
        '<p style="width:2000px;color:#ddd;background:#fff">x<img src="http://127.0.0.1:9/x.png"><script>console.log(1)</script>'
    )
    browser.show(page.as_uri(), 400, "light")
    assert "http://127.0.0.1:9/x.png" in browser.requests
    assert browser.complaints
    assert browser.ask(FAINT)
    assert not browser.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
