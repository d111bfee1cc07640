"""Which ops move what is in the picture, so that boxes and masks fit no more: each op says so, and is measured."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from noisecli.corruption import AnyImageCorruption, ImageCorruption, ImageFileCorruption, MixingCorruption, registered
from noisecli.corruptions.image.file import WrongOrientation
from noisecli.streams import Stream

Command = Callable[..., Any]

SIDE, CELL, TILE, NEAR = 192, 8, 64, 16
MOST = 2
"""Px that a tile may seem to be off."""
CLEAR = 0.5
"""Correlation above which a tile is still recognised; less is left where it is covered, or in the dark."""

SMEARED = {"motion_blur": 9, "zoom_blur": 12, "glass_blur": 4}
"""Px that a tile is off where a blur goes to one side: along a line of 20 px, outwards, to the left and up.

Where things were they still are, as with every blur, so that is no movement.
"""

OPS = {name: op for (target, name), op in sorted(registered().items()) if target == "images"}
ON_PIXELS = {
    name: op for name, op in OPS.items() if issubclass(op, ImageCorruption) and not issubclass(op, MixingCorruption)
}
MOVING = {"caustic_refraction", "elastic", "near_duplicate", "perspective", "pixel_shift", "wrong_orientation"}


def chessboard() -> NDArray[np.uint8]:
    """Sharp squares, dark or light at random, so that a tile looks like itself alone."""
    squares = np.random.default_rng(5).integers(0, 2, (SIDE // CELL, SIDE // CELL, 1))
    return np.repeat((64 + 128 * squares).repeat(CELL, 0).repeat(CELL, 1), 3, axis=2).astype(np.uint8)


def offsets(before: NDArray[Any], after: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Where each tile of a picture is found again in another one."""
    places = np.lib.stride_tricks.sliding_window_view(after, (TILE, TILE))
    for top in range(NEAR, SIDE - TILE - NEAR + 1, TILE):
        for left in range(NEAR, SIDE - TILE - NEAR + 1, TILE):
            tile = before[top : top + TILE, left : left + TILE]
            tile = (tile - tile.mean()) / np.linalg.norm(tile - tile.mean())
            near = places[top - NEAR : top + NEAR + 1, left - NEAR : left + NEAR + 1]
            spread = near.std(axis=(2, 3)) * TILE
            # Where colours are turned round, dark and light may be too.
            found = np.abs(np.einsum("ijkl,kl->ij", near, tile)) / np.maximum(spread, 1e-9)
            if found.max() > CLEAR:
                down, right = np.unravel_index(np.argmax(found), found.shape)
                yield int(down) - NEAR, int(right) - NEAR


def struck(op: ImageCorruption) -> list[tuple[int, int]]:
    clean = chessboard()
    after, _ = op.strike(clean, Stream(1, 1, op.name, "a.png").generator("value", "", 0))
    return list(offsets(*(pixels.astype(np.float64).mean(axis=2) for pixels in (clean, after))))


def at(op: type[ImageCorruption], severity: int) -> ImageCorruption:
    return op.model_validate({key: v for key, v in op.preset(severity).items() if key != "rate"})


@pytest.mark.parametrize("name", ON_PIXELS)
def test_what_does_not_move_stays_in_its_place(name: str) -> None:
    op = ON_PIXELS[name]
    most = SMEARED.get(name, MOST)
    for one in [at(op, 2), at(op, 5)] if op.severities else [op()]:
        if not one.moves():
            assert {offset for offset in struck(one) if max(map(abs, offset)) > most} == set(), one


def test_the_measure_sees_what_moves() -> None:
    """Else the test above could not fail."""
    for name in ("elastic", "perspective", "pixel_shift"):
        assert any(max(map(abs, offset)) > MOST for offset in struck(at(ON_PIXELS[name], 3))), name


def test_ops_say_so() -> None:
    assert {name for name, op in OPS.items() if issubclass(op, AnyImageCorruption) and op().moves()} == MOVING
    still = {"elastic": {"alpha": 0, "affine": 0}, "pixel_shift": {"most": 0}, "perspective": {"amount": 0}}
    still |= {"caustic_refraction": {"depth": 0}, "near_duplicate": {"crop": 0, "brightness": 0, "quality": 100}}
    for name, nothing in still.items():
        assert not OPS[name].model_validate(nothing).moves()
        assert set(struck(ON_PIXELS[name].model_validate(nothing))) == {(0, 0)}


def test_a_file_that_is_shown_turned_moves() -> None:
    """All else that happens to files leaves what can be read of them in its place."""
    assert {name for name, op in OPS.items() if issubclass(op, ImageFileCorruption)} == {
        "truncate_file",
        "flip_bits",
        "wrong_orientation",
    }
    buffer = BytesIO()
    Image.fromarray(chessboard()).save(buffer, "JPEG")
    turned, _ = WrongOrientation().strike(buffer.getvalue(), Stream(1, 1, "w", "a").generator("value", "", 0))
    assert Image.open(BytesIO(turned)).getexif()[0x0112] != 1


def test_the_catalogue_tells(command: Command) -> None:
    assert "boxes and masks fit no more" in command("ops", "elastic").out
    assert "boxes and masks fit no more" not in command("ops", "fog").out
    assert [command("ops", name, "--json").json[0]["moves"] for name in ("pixel_shift", "cutout")] == [True, False]
