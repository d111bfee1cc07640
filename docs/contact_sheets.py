"""Contact sheets: what an op makes of a picture at each severity."""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFile, ImageOps

import noisecli
from noisecli.cli.catalogue import describe
from noisecli.corruption import (
    CloningCorruption,
    Corruption,
    ImageCorruption,
    ImageFileCorruption,
    MixingCorruption,
    Pixels,
)
from noisecli.corruptions.image.copies import Duplicate
from noisecli.parameters import plain
from noisecli.recipe.source import parse
from noisecli.streams import Stream

PHOTOGRAPHS = Path(__file__).resolve().parent / "photographs"
FILE = PHOTOGRAPHS / "coffee.jpg"
"""What damage to files is shown on; square, so that it takes as much room when it is turned."""

SEED_OF_PICTURES = 2

PHOTOGRAPH = "astronaut.png"
SHOWN_ON = {
    "fog": "rocket.png",
    "rain": "rocket.png",
    "shadow": "chelsea.png",
    "snow": "rocket.png",
    "sun_flare": "rocket.png",
}
"""The photograph that an op is shown on, where another shows it better."""

OTHER_PHOTOGRAPH = "chelsea.png"
"""What is mixed in."""

TILES_IN_A_ROW = 3
SEVERITIES = range(1, 6)


def has_picture(op: type[Corruption]) -> bool:
    """Return whether an op does anything that can be seen in one picture."""
    return issubclass(op, ImageCorruption | ImageFileCorruption) and not issubclass(op, Duplicate)


def by_severity(op: type[Corruption]) -> bool:
    """Return whether an op is shown at its severities, else with some seeds: of a mixture only the mean is stronger."""
    return bool(op.severities) and not issubclass(op, MixingCorruption)


@cache
def tiles(op: type[Corruption]) -> list[Pixels]:
    """Return a picture, and what an op makes of it: at every severity, or with some seeds."""
    example = plain(parse(describe(op)["example"], "example").data)
    steps = [(SEED_OF_PICTURES + i, example) for i in range(len(SEVERITIES))]
    if by_severity(op):
        steps = [(SEED_OF_PICTURES, {"op": op.name, "severity": severity}) for severity in SEVERITIES]
    recipe = {"noisecli": 1, "target": "images", "purpose": "evaluate"}
    recipes = [{**recipe, "seed": seed, "steps": [{**step, "rate": 1}]} for seed, step in steps]
    if issubclass(op, ImageFileCorruption):
        return [_viewed(FILE), *map(_damaged_file, recipes)]
    clean = _photograph(SHOWN_ON.get(op.name, PHOTOGRAPH))
    if issubclass(op, MixingCorruption):
        other = _photograph(OTHER_PHOTOGRAPH)
        return [clean, *(op().strike_with(clean, other, _draws(op, seed))[0] for seed, _ in steps)]
    if issubclass(op, CloningCorruption):
        return [clean, *(op.model_validate(row).strike(clean, _draws(op))[0] for row in op.severities)]
    return [clean, *(noisecli.corrupt(clean, recipe) for recipe in recipes)]


def _draws(op: type[Corruption], seed: int = SEED_OF_PICTURES) -> Generator:
    return Stream(seed, 1, op.name, "").generator("value", "", 0)


def _photograph(name: str) -> Pixels:
    with Image.open(PHOTOGRAPHS / name) as photograph:
        return np.asarray(photograph.convert("RGB"))


def _damaged_file(recipe: Mapping[str, Any]) -> Pixels:
    with TemporaryDirectory() as folder:
        return _viewed(noisecli.augment(FILE, recipe, Path(folder) / "noisy.jpg", workers=1).output)


def _viewed(path: Path) -> Pixels:
    """Return a picture as viewers show it: as far as it goes, and turned as it says."""
    strict, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        with Image.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = strict


def sheet(shown: Sequence[Pixels], in_a_row: int = TILES_IN_A_ROW) -> bytes:
    """Return tiles row by row as JPEG."""
    rows = [np.concatenate(shown[i : i + in_a_row], axis=1) for i in range(0, len(shown), in_a_row)]
    data = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(data, "JPEG", quality=60, optimize=True)
    return data.getvalue()
