"""A preview of images: a contact sheet of what each step does to a few of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from noisecli.engine import ImageEngine
from noisecli.errors import DataProblem
from noisecli.formats.content import spaced
from noisecli.formats.images import ImageFile, apart, parse_image, read_image, salvage
from noisecli.imagefiles import read_exif
from noisecli.imagefiles.exif import orientation
from noisecli.plan import Plan, StepPlan
from noisecli.preview.asked import Asked
from noisecli.preview.choose import cover
from noisecli.preview.model import ImageShown, ImagesPreview, StepCount, StepOnImage
from noisecli.preview.sheet import MOST, Block, Tile, check_place, draw, most_columns, save, side_for, thumbnail
from noisecli.recipe.models import Encode
from noisecli.run import prepare, settle_files
from noisecli.run.dataset import InputFile, discover, missing_entries
from noisecli.run.work import StruckImageFile, strike_image
from noisecli.streams import Mask

DEFAULT_SHEET = "preview.png"

MOST_LOOKED_AT = 2_000
"""For how many images it is found out which steps strike them."""

BY_SEVERITY = 2
"""How many images are shown at all severities."""

SEVERITIES = (1, 2, 3, 4, 5)

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What a viewer does to pixels of an EXIF orientation other than 1."""


@dataclass(frozen=True)
class _Variant:
    """One combination of a sweep, or the recipe itself."""

    folder: str
    plan: Plan
    encode: Encode


class _Content:
    """One image, and what steps make of it."""

    def __init__(self, file: InputFile, side: int) -> None:
        self.file = file
        self._raw = read_image(file.path, file.name)
        self.image = parse_image(self._raw, file.name)
        self._side = side
        self._turn = TURNS.get(orientation(read_exif(self._raw)))
        self.clean = Tile(self._upright(self.image), file.name)

    @property
    def is_turned(self) -> bool:
        """Whether a viewer shows it in another way than it is stored."""
        return self._turn is not None

    def _upright(self, image: ImageFile) -> Image.Image:
        picture = thumbnail(image.pixels, image.alpha, self._side)
        return picture if self._turn is None else picture.transpose(self._turn)

    def struck(self, variant: _Variant, step: StepPlan | None) -> StruckImageFile:
        """Return what one step makes of it, or all steps that strike it do, as it is written."""
        engine = ImageEngine(variant.plan, 1)
        striking = engine.strikes(self.file.address)
        steps = striking if step is None else [step]
        return strike_image(self.file, self._raw, engine, steps, variant.encode, self.image)

    def tile(self, variant: _Variant, step: StepPlan | None, caption: str) -> Tile:
        """Draw what becomes of it; a damaged file as far as a viewer can show it."""
        done = self.struck(variant, step)
        if done.content is not None:
            return Tile(self._upright(parse_image(done.data, "")), caption)
        values = salvage(done.data)
        picture = self.clean.picture if values is None else thumbnail(*apart(values), self._side)
        said = [caption, "" if _is_sound(done.data) else "Pillow raises an error"]
        return Tile(picture, ", ".join(filter(None, said)), faint=values is None)


def _is_sound(data: bytes) -> bool:
    try:
        parse_image(data, "")
    except DataProblem:
        return False
    return True


@dataclass(frozen=True)
class _Column:
    """One column of a sheet: a step alone, or all steps."""

    title: str
    variant: _Variant
    step: StepPlan | None = None
    forced: bool = False
    """Whether the step is shown where it does not strike, too."""
    alone: str = ""
    """The step whose strengths a sweep of `steps: alone` goes through; its columns are a block."""

    def tile(self, content: _Content) -> Tile:
        """Make the picture of an image."""
        struck = [step.id for step in ImageEngine(self.variant.plan, 1).strikes(content.file.address)]
        if not self.forced and (not struck or (self.step is not None and self.step.id not in struck)):
            return Tile(content.clean.picture, "not struck", faint=True)
        return content.tile(self.variant, self.step, "" if self.step or self.alone else ", ".join(struck))


def preview_images(asked: Asked, most: int, sheet: Path, force: bool) -> ImagesPreview:
    """Draw what a recipe does to a few images; pixels are those that a run writes.

    Args:
        asked: the input and the recipe.
        most: how many images are shown.
        sheet: where the contact sheet goes.
        force: whether it may replace a file that is no contact sheet.

    Raises:
        NoiseError: a fault of the recipe, the arguments or the data.
        OSError: a file that cannot be read or written.
    """
    check_place(sheet, asked.source, force)
    recipe = asked.checked
    dataset = discover(asked.source, "images", recipe.head.purpose, prepare.reading(recipe))
    settle_files(recipe)
    addresses = [file.address for file in dataset.struck]
    encode = recipe.head.encode
    variants = [_Variant(v.folder, prepare.plan_images(v.recipe, addresses), encode) for v in recipe.variants]
    last = variants[-1]
    looked_at = [dataset.struck[i] for i in _spread(len(addresses), most)]
    found = [_strikes(variant, looked_at) for variant in variants]
    struck, counts = np.hstack([mask for mask, _ in found]), [count for _, mine in found for count in mine]
    some = np.argsort(~struck.any(axis=1), kind="stable")  # those that no step strikes are of the least interest
    chosen = sorted((looked_at[some[i]] for i in cover([struck[some]], most)), key=dataset.struck.index)
    columns = _columns(variants)
    side = side_for(min(most_columns(), max(len(columns), len(SEVERITIES)) + 1))
    contents, skipped = _open(chosen, side)
    tiles = [[content.clean, *(column.tile(content) for column in columns)] for content in contents]
    blocks = [*_in_bands(columns, tiles), *_by_severity(last, contents[:: max(1, len(contents) - 1)][:BY_SEVERITY])]
    save(draw(blocks, side), sheet)
    shown = [_shown(content, last) for content in contents]
    return ImagesPreview(
        seed=recipe.seed,
        seed_drawn=asked.seed_drawn,
        sheet=str(sheet),
        looked_at=len(looked_at),
        whole=len(looked_at) == len(addresses),
        combinations=tuple(variant.folder for variant in variants if variant.folder),
        shown=last.folder or None,
        images=tuple(shown),
        counts=tuple(counts),
        notes=[*missing_entries(dataset), *skipped, *_notes(shown, found[-1][1]), *_turned(contents, last)],
    )


def _open(files: Sequence[InputFile], side: int) -> tuple[list[_Content], list[str]]:
    """Read images; with `on_error: skip` those that cannot be read are left out, unless that leaves none."""
    contents, skipped = [], []
    for file in files:
        try:
            contents.append(_Content(file, side))
        except DataProblem as error:
            if not file.reading.skip_errors:
                raise
            skipped.append(f"left out: {error}")
    if not contents:
        raise DataProblem("\n".join(skipped))
    return contents, skipped


def _spread(count: int, most: int) -> list[int]:
    """Numbers of images to be looked at: first as many as are shown, from all over, then others."""
    first = spaced(count, most)
    return list(dict.fromkeys([*first, *spaced(count, MOST_LOOKED_AT)]))


def _strikes(variant: _Variant, files: Sequence[InputFile]) -> tuple[Mask, list[StepCount]]:
    """Find out which steps strike which images."""
    engine = ImageEngine(variant.plan, 1)
    steps = variant.plan.steps
    struck = np.array([[step in hit for step in steps] for hit in (engine.strikes(file.address) for file in files)])
    sums = struck.sum(axis=0).tolist()
    return struck, [
        StepCount(variant.folder or None, step.id, step.corruption.name, "", len(files), count, None, step.rate)
        for step, count in zip(steps, sums, strict=True)
    ]


def _notes(shown: Sequence[ImageShown], counts: Sequence[StepCount]) -> Iterator[str]:
    for count in counts:
        if not count.struck:
            yield f"step {count.step!r} strikes none of the images looked at; its rate is {count.rate:g}"
        elif not any(on.struck for image in shown for on in image.steps if on.step == count.step):
            yield f"step {count.step!r} strikes none of the images shown: --rows shows more"
    if any(max(image.size) > MOST for image in shown):
        yield "large images are shown smaller than they are, so fine noise looks weaker than it is"


def _turned(contents: Sequence[_Content], variant: _Variant) -> Iterator[str]:
    if any(content.is_turned for content in contents) and any(not step.on_image_file for step in variant.plan.steps):
        yield "images are shown as their EXIF orientation says, and struck as they are stored: rain may fall sideways"


def _columns(variants: Sequence[_Variant]) -> list[_Column]:
    """Each step alone and all together; of a sweep each combination."""
    last = variants[-1]
    if last.folder:
        return [_swept(variant) for variant in variants]
    steps = last.plan.steps
    alone = [_Column(f"{step.id}\n{_settings(step)}", last, step) for step in steps]
    return [*alone, _Column("all steps\nas augment writes it", last)] if len(steps) > 1 else alone


def _swept(variant: _Variant) -> _Column:
    first, _, rest = variant.folder.partition("/")
    alone = first.removeprefix("step=") if first.startswith("step=") and rest else ""
    return _Column((rest if alone else variant.folder).replace("/", "\n"), variant, alone=alone)


def _settings(step: StepPlan) -> str:
    """What a recipe says of a step, briefly."""
    said = {} if step.severity is None else {"severity": step.severity}
    values = {**said, **(step.parameters or {}), "rate": f"{step.rate:g}"}
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _in_bands(columns: Sequence[_Column], tiles: Sequence[Sequence[Tile]]) -> Iterator[Block]:
    """Put as many columns side by side as fit, the clean pictures before them again and again."""
    most = most_columns() - 1
    start = 0
    for alone, group in groupby(columns, lambda column: column.alone):
        end = start + len(list(group))
        for left in range(start, end, most):
            right = min(left + most, end)
            titles = ["clean", *(column.title for column in columns[left:right])]
            rows = [[row[0], *row[1 + left : 1 + right]] for row in tiles]
            yield Block("" if left > start else alone or "What the recipe does", titles, rows)
        start = end


def _by_severity(variant: _Variant, contents: Sequence[_Content]) -> Iterator[Block]:
    """Each step that is given by severity, at all of them; a sweep says itself what is worth seeing."""
    for step in variant.plan.steps if not variant.folder else ():
        if step.severity is not None:
            titles = [f"{level} (the recipe's)" if level == step.severity else str(level) for level in SEVERITIES]
            graded = [_Column("", variant, _at(step, level), forced=True) for level in SEVERITIES]
            rows = [[content.clean, *(column.tile(content) for column in graded)] for content in contents]
            yield Block(f"{step.id} at every severity", ["clean", *titles], rows)


def _at(step: StepPlan, severity: int) -> StepPlan:
    """Return a step at another severity."""
    op = type(step.corruption)
    preset = {key: value for key, value in op.preset(severity).items() if key != "rate"}
    return replace(step, severity=severity, corruption=op.model_validate({**preset, **step.parameters}))


def _shown(content: _Content, variant: _Variant) -> ImageShown:
    drawn = content.struck(variant, None).drawn
    on = (StepOnImage(step.id, step.id in drawn, drawn.get(step.id)) for step in variant.plan.steps)
    height, width = content.image.pixels.shape[:2]
    return ImageShown(content.file.relative, (width, height), tuple(on))
