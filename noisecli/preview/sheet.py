"""A contact sheet: rows of pictures under headings, on a light ground."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from noisecli.corruption import Pixels
from noisecli.errors import UsageProblem
from noisecli.run.commit import replacing

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

WIDTH = 2000
"""How wide a sheet may be, in px."""

LEAST, MOST = 160, 320
"""Side of the square that a picture fits into, in px; it is larger where few stand side by side."""

GAP = 12
APART = 28
"""Between two blocks, in px."""

LINE = 17
"""Height of a line of text, in px."""

GROUND, INK, FAINT = (250, 250, 248), (30, 30, 30), (120, 120, 120)
MARK = "noisecli preview"
"""What a sheet says of the software that made it."""


@dataclass(frozen=True)
class Tile:
    """A picture of a sheet."""

    picture: Image.Image
    caption: str = ""
    faint: bool = False
    """Whether it stands for nothing that happens."""


@dataclass(frozen=True)
class Block:
    """Rows of pictures under one heading."""

    title: str
    columns: Sequence[str]
    """A heading for each picture of a row; of several lines perhaps."""
    rows: Sequence[Sequence[Tile]]


def side_for(columns: int) -> int:
    """How large pictures may be, in px, so many side by side."""
    return max(LEAST, min(MOST, (WIDTH - GAP) // columns - GAP))


def most_columns() -> int:
    """How many pictures fit side by side."""
    return (WIDTH - GAP) // (LEAST + GAP)


def thumbnail(pixels: Pixels, alpha: Pixels | None, side: int) -> Image.Image:
    """Make a picture that fits into a square: small ones are enlarged by a whole number, pixel by pixel."""
    picture = Image.fromarray(_eight_bit(pixels)).convert("RGB")
    if alpha is not None:
        ground = Image.new("RGB", picture.size, GROUND)
        picture = Image.composite(picture, ground, Image.fromarray(_eight_bit(alpha[..., None])))
    longest = max(picture.size)
    if longest > side:
        width, height = (max(1, round(length * side / longest)) for length in picture.size)
        return picture.resize((width, height), Image.Resampling.LANCZOS)
    times = side // longest
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _eight_bit(pixels: Pixels) -> Pixels:
    values = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    return values[..., 0] if values.shape[2] == 1 else values


def draw(blocks: Sequence[Block], side: int) -> Image.Image:
    """Put blocks one below the other; pictures fit into squares of that side."""
    font, bold = ImageFont.load_default(13), ImageFont.load_default(16)
    width = GAP + max(len(block.columns) for block in blocks) * (side + GAP)
    width = max(width, GAP * 2 + max(int(bold.getlength(block.title)) for block in blocks))
    heights = [_heading(block) + sum(_height(row) for row in block.rows) for block in blocks]
    sheet = Image.new("RGB", (width, GAP + sum(heights) + APART * (len(blocks) - 1)), GROUND)
    pen = ImageDraw.Draw(sheet)
    top = GAP
    for block, height in zip(blocks, heights, strict=True):
        pen.text((GAP, top), block.title, INK, bold)
        for i, column in enumerate(block.columns):
            lines = "\n".join(_fit(line, side, font) for line in column.split("\n"))
            pen.text((GAP + i * (side + GAP), top + LINE + GAP), lines, INK, font)
        down = top + _heading(block)
        for row in block.rows:
            for i, tile in enumerate(row):
                _put(sheet, pen, tile, (GAP + i * (side + GAP), down), side, font)
            down += _height(row)
        top += height + APART
    return sheet


def _heading(block: Block) -> int:
    return LINE + GAP + LINE * max(1 + column.count("\n") for column in block.columns) + 4


def _height(row: Sequence[Tile]) -> int:
    return max(tile.picture.height for tile in row) + LINE + GAP + 4


def _put(sheet: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, at: tuple[int, int], side: int, font: Font) -> None:
    picture = tile.picture
    if tile.faint:
        picture = Image.blend(picture, Image.new("RGB", picture.size, GROUND), 0.75)
    sheet.paste(picture, at)
    below = (at[0], at[1] + picture.height + 2)
    pen.text(below, _fit(tile.caption, side, font), FAINT if tile.faint else INK, font)


def _fit(text: str, width: int, font: Font) -> str:
    """Shorten a text at its start: names of files differ at the end. The font knows no more than ASCII."""
    text = text.encode("ascii", "backslashreplace").decode()
    if font.getlength(text) <= width:
        return text
    while text and font.getlength("..." + text) > width:
        text = text[1:]
    return "..." + text


def check_place(path: Path, source: Path, force: bool) -> None:
    """Refuse a place for a sheet where it would destroy something, or become part of the input."""
    if path.suffix.lower() != ".png":
        raise UsageProblem(f"{path}: a contact sheet is a PNG: let its name end in .png")
    if path.is_dir():
        raise UsageProblem(f"{path}: is a folder: name a file in it")
    real, inside = path.resolve(), source.resolve()
    if real == inside or (source.is_dir() and real.is_relative_to(inside)):
        raise UsageProblem(f"{path}: lies inside the input {source}: name another place with -o")
    if path.exists() and not force and not _is_ours(path):
        raise UsageProblem(f"{path}: exists, and preview did not make it; --force replaces it")


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(4096)


def save(sheet: Image.Image, path: Path) -> None:
    """Write a sheet, all of it or nothing."""
    about = PngInfo()
    about.add_text("Software", MARK)
    with replacing(path) as draft:
        sheet.save(draft, "PNG", pnginfo=about)
