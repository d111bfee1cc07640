"""A preview of images: a contact sheet of what each step does to a few of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from noisecli.corruption import CloningCorruption
from noisecli.engine import ImageEngine
from noisecli.errors import DataProblem
from noisecli.formats.content import spaced
from noisecli.formats.images import ImageFile, apart, parse_image, salvage
from noisecli.imagefiles import read_exif
from noisecli.imagefiles.exif import orientation
from noisecli.pixels.frame import upright
from noisecli.plan import Plan, StepPlan, clone_address
from noisecli.preview.asked import Asked
from noisecli.preview.choose import cover
from noisecli.preview.model import ImageShown, ImagesPreview, StepCount, StepOnImage
from noisecli.preview.sheet import MOST, Block, Tile, check_place, draw, most_columns, save, side_for, thumbnail
from noisecli.recipe.models import Encode
from noisecli.run import prepare, settle_files
from noisecli.run.dataset import InputFile
from noisecli.run.images.annotated import annotations_of, carried_masks, check_annotated
from noisecli.run.images.arrange import Arrangement
from noisecli.run.images.classes import find_classes
from noisecli.run.images.tars import check_tars
from noisecli.run.images.write import StruckImageFile, strike_image
from noisecli.run.unread import missing_entries
from noisecli.streams import Mask

DEFAULT_SHEET = "preview.png"

MOST_LOOKED_AT = 2_000
"""For how many images it is found out which steps strike them."""

BY_SEVERITY = 2
"""How many images are shown at all severities."""

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class _Variant:
    """One combination of a sweep, or the recipe itself."""

    arrangement: Arrangement
    """Of its first copy."""

    @property
    def folder(self) -> str:
        """Its folder in an output."""
        return self.arrangement.variant

    @property
    def plan(self) -> Plan:
        """Its plan."""
        return self.arrangement.plan

    @property
    def encode(self) -> Encode:
        """How its images are encoded."""
        return self.arrangement.recipe.head.encode

    def strikes(self, file: InputFile) -> list[StepPlan]:
        """Return the steps that strike an image, those that move or clone it after the others."""
        image, *clones = self.arrangement.made_of(file)
        on_set = {*image.relabelled, *(step.id for clone in clones for step, _ in clone.clones)}
        striking = ImageEngine(self.plan, 1).strikes(image.address, image.label)
        return [*striking, *(step for step in self.plan.steps if step.id in on_set)]

    def can_show(self, file: InputFile, step: StepPlan | None) -> bool:
        """Say whether a step could strike an image; what has no class has no partner."""
        return step is None or not step.needs_class or next(self.arrangement.made_of(file)).label is not None


class _Content:
    """One image, and what steps make of it."""

    def __init__(self, file: InputFile, side: int) -> None:
        self.file = file
        self._raw = file.read_image()
        self.image = parse_image(self._raw, file.name)
        self._side = side
        self._turn = orientation(read_exif(self._raw))
        self.clean = Tile(self._upright(self.image), file.name)

    @property
    def is_turned(self) -> bool:
        """Whether a viewer shows it in another way than it is stored."""
        return self._turn != 1

    def _upright(self, image: ImageFile) -> Image.Image:
        picture = thumbnail(image.pixels, image.alpha, self._side)
        return Image.fromarray(upright(np.asarray(picture), self._turn)) if self.is_turned else picture

    def struck(self, variant: _Variant, step: StepPlan | None) -> StruckImageFile:
        """Return what one step makes of it, or all steps that strike it do, as it is written."""
        image, *_ = variant.arrangement.made_of(self.file)
        if step is not None and isinstance(step.corruption, CloningCorruption):
            image = replace(image, address=clone_address(image.address, step.id, 1), clones=((step, 1),))
        steps = variant.strikes(self.file) if step is None else [step]
        on_each = [step for step in steps if not step.on_image_set]
        return strike_image(image, self._raw, ImageEngine(variant.plan, 1), on_each, variant.encode, self.image)

    def moved(self, variant: _Variant, step: StepPlan | None) -> str:
        """Say to which class one step, or all, move it; empty where they do not."""
        image, *_ = variant.arrangement.made_of(self.file)
        found = [change for name, change in image.relabelled.items() if step is None or step.id == name]
        return f"{found[0]['before']} > {found[-1]['after']}" if found else ""

    def tile(self, variant: _Variant, step: StepPlan | None, caption: str) -> Tile:
        """Draw what becomes of it; a damaged file as far as a viewer can show it."""
        done = self.struck(variant, step)
        caption = ", ".join(filter(None, [caption, self.moved(variant, step)]))
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
        struck = [step.id for step in self.variant.strikes(content.file)]
        shows = self.variant.can_show(content.file, self.step) if self.forced else bool(struck)
        if not shows or (not self.forced and self.step is not None and self.step.id not in struck):
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
    dataset = prepare.find(recipe, asked.source)
    settle_files(recipe)
    check_tars(recipe, dataset)
    images = list(dataset.struck_images())
    addresses = [image.address for image in images]
    classes = None if dataset.single else find_classes(recipe, dataset)
    plans = {v.folder: prepare.plan_images(v.recipe, addresses, classes) for v in recipe.variants}
    check_annotated(recipe, dataset, annotations_of(dataset), plans)
    variants = [_Variant(Arrangement(recipe, dataset, classes, folder, plan, 1)) for folder, plan in plans.items()]
    masks, last = carried_masks(recipe, dataset), variants[-1]
    places = _spread(len(images), most)
    looked_at = [images[i] for i in places]
    found = [_strikes(variant, looked_at) for variant in variants]
    struck, counts = np.hstack([mask for mask, _ in found]), [count for _, mine in found for count in mine]
    some = np.argsort(~struck.any(axis=1), kind="stable")  # those that no step strikes are of the least interest
    chosen = [images[i] for i in sorted(places[some[i]] for i in cover([struck[some]], most))]
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
        notes=[*missing_entries(dataset), *masks, *skipped, *_notes(shown, found[-1][1]), *_turned(contents, last)],
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
    steps = variant.plan.steps
    struck = np.array([[step in hit for step in steps] for hit in map(variant.strikes, files)])
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
    image, *clones = variant.arrangement.made_of(content.file)
    made = {step.id: {"clones": number} for clone in clones for step, number in clone.clones}
    drawn = {**image.relabelled, **made, **content.struck(variant, None).drawn}
    on = (StepOnImage(step.id, step.id in drawn, drawn.get(step.id)) for step in variant.plan.steps)
    height, width = content.image.pixels.shape[:2]
    return ImageShown(content.file.relative, (width, height), tuple(on))
