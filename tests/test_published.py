"""Ops on images against the figures of others, and against what a severity means.

What imagecorruptions (its maintained fork imagecorruptions-imaug) makes of four photographs is in `imagenet_c.json`,
with the script that recorded it, `record_imagenet_c.py`; `docs/make_comparison.py` measures ours.
"""

import importlib
import io
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden import PIXEL_OPS
from PIL import Image

from noisecli.compare.images import psnr, ssim

RECORDED = json.loads(Path(__file__).with_name("imagenet_c.json").read_text(encoding="utf-8"))
DOCS = Path(__file__).resolve().parents[1] / "docs"

IMAGES = list(PIXEL_OPS.values())
OTHER_MEANS = {"frost", "snow", "fog", "spatter"}
"""Ops of the package that ours imitate by other means."""

NOT_FALLING = {
    "saturate": "takes colour away at severities 1 and 2 and adds some from 3 on",
    "glass_blur": "is published as moving colours more often, but less far, at 3 than at 4",
    "frost": "is published with less of the picture and as much ice at 4 as at 3",
    "elastic": "is published as a turn of the whole at 1 and 2 and as waves from 3 on",
}
"""Ops whose PSNR does not fall from severity to severity, and why."""


@pytest.fixture(scope="module")
def comparison() -> Iterator[Any]:
    """The script that measures what our ops make of the photographs."""
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module("make_comparison")
    sys.path.remove(str(DOCS))


def ratios(comparison: Any, measure: Any, name: str, theirs: str) -> list[float]:
    """Our losses as multiples of recorded ones, by severity."""
    ours = comparison.OUR_NAMES.get(name, name)
    figures = RECORDED[theirs][name][measure.__name__]
    return [comparison.loss(measure, ours, severity) / figure for severity, figure in enumerate(figures, 1)]


@pytest.mark.parametrize("name", sorted(RECORDED["imagecorruptions"].keys() - OTHER_MEANS - {"elastic_transform"}))
@pytest.mark.parametrize("measure", [psnr, ssim])
def test_losses_are_those_of_imagecorruptions(comparison: Any, measure: Any, name: str) -> None:
    found = ratios(comparison, measure, name, "imagecorruptions")
    assert found == pytest.approx([1] * 5, abs=0.1)


@pytest.mark.parametrize("name", sorted(RECORDED["described"]))
@pytest.mark.parametrize("measure", [psnr, ssim])
def test_losses_are_those_of_imagenet_c_as_described(comparison: Any, measure: Any, name: str) -> None:
    found = ratios(comparison, measure, name, "described")
    assert found == pytest.approx([1] * 5, abs=0.1)


@pytest.mark.parametrize("name", sorted(OTHER_MEANS))
def test_weather_made_by_other_means_costs_about_as_much(comparison: Any, name: str) -> None:
    assert ratios(comparison, psnr, name, "imagecorruptions") == pytest.approx([1] * 5, abs=0.25)


@pytest.mark.parametrize("name", [op.name for op in IMAGES if op.severities])
def test_psnr_falls_with_severity(comparison: Any, name: str) -> None:
    losses = [comparison.loss(psnr, name, severity) for severity in range(1, 6)]
    falls = all(weaker > stronger for weaker, stronger in pairwise(losses))
    assert falls == (name not in NOT_FALLING), losses


def test_the_page_tells_our_losses(comparison: Any) -> None:
    page = comparison.PAGE.read_text(encoding="utf-8")
    assert page == comparison.up_to_date(page), "run `make docs`"


def test_the_picture_of_all_is_what_the_ops_do(comparison: Any) -> None:
    stored = comparison.PICTURE.read_bytes()
    old, new = (np.asarray(Image.open(io.BytesIO(data)), dtype=float) for data in (stored, comparison.overview()))
    assert old.shape == new.shape
    assert np.abs(old - new).mean() < 2, "run `make docs`"  # codecs differ a little
    assert len(stored) < 250_000
