"""Make the tables of docs/images.md and its contact sheet: `make docs`. Tests hold that they are up to date.

The figures of imagecorruptions are those that tests/record_imagenet_c.py recorded, ours are measured here.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from statistics import fmean

import numpy as np
from contact_sheets import PHOTOGRAPH, PHOTOGRAPHS, sheet
from make_catalogue import DOCS, PICTURES, ROOT, link, table
from PIL import Image, ImageDraw

import noisecli
from noisecli.compare.images import psnr, ssim
from noisecli.corruption import Pixels, registered

PAGE = DOCS / "images.md"
PICTURE = PICTURES / "imagenet-c.jpg"
RECORDED = json.loads((ROOT / "tests" / "imagenet_c.json").read_text(encoding="utf-8"))
PACKAGE: Mapping[str, Mapping[str, list[float]]] = RECORDED["imagecorruptions"]
DESCRIBED: Mapping[str, Mapping[str, list[float]]] = RECORDED["described"]
OUR_NAMES = {"elastic_transform": "elastic"}

SEVERITIES = range(1, 6)
MADE = re.compile(r"(<!-- (\w+): made by `make docs` -->\n).*?(<!-- end -->)", re.DOTALL)
SIZES = (32, 64, 128, 224, 500)
SHOWN_AT_SIZES = ("gaussian_noise", "gaussian_blur", "brightness")
Measure = Callable[[Pixels, Pixels], float]


def main() -> int:
    """Write the tables of the page, and the picture."""
    PAGE.write_text(up_to_date(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_bytes(overview())
    return 0


def up_to_date(page: str) -> str:
    """Return the page with its tables made anew."""
    makers = {"sizes": sizes, "losses": losses}
    return MADE.sub(lambda found: f"{found[1]}\n{makers[found[2]]()}\n\n{found[3]}", page)


def sizes() -> str:
    """Return the parameters of severity 3 by size, as Markdown."""
    rows = []
    for name in SHOWN_AT_SIZES:
        op = registered()["images", name]
        for key in op.preset(3):
            values = [op.preset_for(3, side)[key] for side in SIZES]
            rows.append((f"`{key}` of `{name}`", *(f"{value:.3g}" for value in values), f"{op.preset(3)[key]:.3g}"))
    return table(("severity 3", *(f"{side} px" for side in SIZES), "`scale: none`"), rows)


@cache
def photographs() -> dict[str, Pixels]:
    """Return the photographs that the figures are of."""
    return {name: np.asarray(Image.open(PHOTOGRAPHS / name)) for name in RECORDED["photographs"]}


@cache
def noisy(name: str, severity: int) -> list[Pixels]:
    """Return what one of our ops makes of the photographs, at the strength published for 224 px."""
    step = {"op": name, "severity": severity, "scale": "none", "rate": 1}
    recipe = {"noisecli": 1, "target": "images", "purpose": "evaluate", "steps": [step]}
    return [noisecli.corrupt(clean, recipe, seed=seed) for seed, clean in enumerate(photographs().values())]


@cache
def loss(measure: Measure, name: str, severity: int) -> float:
    """Return the mean of a measure over the photographs."""
    pairs = zip(photographs().values(), noisy(name, severity), strict=True)
    return fmean(measure(clean, damaged) for clean, damaged in pairs)


def losses() -> str:
    """Return what our ops cost, and in brackets the ratio to what those of others do, as Markdown."""
    parts = [
        table((title, *map(str, SEVERITIES)), list(_rows(measure, digits)))
        for title, measure, digits in (("PSNR in dB", psnr, 1), ("SSIM", ssim, 2))
    ]
    return "\n\n".join(parts)


def _rows(measure: Measure, digits: int) -> Iterator[tuple[str, ...]]:
    key = measure.__name__
    others = [(name, PACKAGE[name], "") for name in PACKAGE]
    others += [(name, DESCRIBED[name], " as ImageNet-C describes it") for name in DESCRIBED]
    for name, theirs, remark in others:
        ours = OUR_NAMES.get(name, name)
        found = [loss(measure, ours, severity) for severity in SEVERITIES]
        yield (
            f"{link(registered()['images', ours], 'catalogue.md')}{remark}",
            *(f"{one:.{digits}f} ({one / other:.2f})" for one, other in zip(found, theirs[key], strict=True)),
        )


def overview() -> bytes:
    """Return a photograph and what every op of ImageNet-C makes of it at severity 3, as JPEG."""
    at = list(photographs()).index(PHOTOGRAPH)
    shown = {"clean": photographs()[PHOTOGRAPH]}
    for name in PACKAGE:
        ours = OUR_NAMES.get(name, name)
        shown[ours] = noisy(ours, 3)[at]
    return sheet([_titled(tile, title) for title, tile in shown.items()], in_a_row=5)


def _titled(tile: Pixels, title: str) -> Pixels:
    canvas = Image.new("RGB", (tile.shape[1], tile.shape[0] + 16), "white")
    ImageDraw.Draw(canvas).text((4, 2), title, fill="black")
    canvas.paste(Image.fromarray(tile), (0, 16))
    return np.asarray(canvas)


if __name__ == "__main__":
    sys.exit(main())
