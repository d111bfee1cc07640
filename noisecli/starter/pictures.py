"""Look at a folder of images, or one image, and draft steps for it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from PIL import Image

from noisecli.formats.images import parse_image, read_image
from noisecli.plan import TRAINING
from noisecli.run.dataset import HELD_OUT
from noisecli.starter.draft import Draft, Group, Step
from noisecli.starter.look import Opened

SEVERITIES = [1, 2, 3, 4, 5]
"""Of each corruption alone; the input is the clean data."""

IN_WORDS = {"1": "black and white", "L": "grey", "LA": "grey with alpha", "P": "of a palette"} | dict.fromkeys(
    ("I", "I;16", "I;16B"), "16-bit grey"
)
"""What Pillow calls the ways in which pixels are stored, where RGB and RGBA are not plain enough."""

FEW = 20
"""Of fewer images a low rate may strike none."""

IMAGENET_C = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic", "pixelate", "jpeg_compression"),
)
"""Its 15 common corruptions. Source: Hendrycks and Dietterich 2019."""


@dataclass(frozen=True)
class ImageLook:
    """What was found in images."""

    opened: Opened
    count: int
    formats: tuple[tuple[str, int], ...]
    """Extension and number of files."""
    sizes: tuple[tuple[int, int], ...]
    """Width and height of those that were opened, sorted by area."""
    modes: tuple[str, ...]
    """How their pixels are stored, as Pillow calls it."""
    opened_count: int
    classes: tuple[tuple[str, int], ...]
    """Folders right around the images, and how many each has."""
    splits: tuple[tuple[str, int], ...]
    """First folders that name a split."""


def look_at_images(opened: Opened) -> ImageLook:
    """Count the images, and open some."""
    pictures = (file for file in opened.dataset.files if file.relative not in opened.dataset.masks)
    files = [file for file in pictures if file.path.suffix.lower() in _suffixes(opened)]
    sizes, modes = set(), Counter[str]()
    some = sorted(path for path in [opened.excerpt.root, *opened.excerpt.root.rglob("*")] if path.is_file())
    for path in some:
        name = path.name if opened.dataset.single else path.relative_to(opened.excerpt.root).as_posix()
        parse_image(read_image(path, name), name)  # what a run would refuse is refused now
        with Image.open(path) as image:
            sizes.add(image.size)
            modes[image.mode] += 1
    paths = [PurePosixPath(file.relative) for file in files]
    folders = Counter(path.parts[-2] for path in paths if len(path.parts) > 1)
    first = Counter(path.parts[0] for path in paths if len(path.parts) > 1)
    split = {name: count for name, count in first.items() if name.lower() in HELD_OUT | TRAINING}
    classes = {name: count for name, count in folders.items() if name not in split}
    formats = Counter(path.suffix.lower().lstrip(".") for path in (file.path for file in files))
    return ImageLook(
        opened,
        len(files),
        tuple(sorted(formats.items())),
        tuple(sorted(sizes, key=lambda size: (size[0] * size[1], size))),
        tuple(sorted(modes)),
        len(some),
        tuple(sorted(classes.items())),
        tuple(sorted(split.items())),
    )


def _suffixes(opened: Opened) -> set[str]:
    return {file.path.suffix.lower() for file in opened.dataset.struck}


def described(look: ImageLook) -> list[str]:
    """Say what was found, a line each."""
    one = "image" if look.count == 1 else "images"
    lines = [f"{look.count:,} {one}: {', '.join(f'{count:,} {name}' for name, count in look.formats)}."]
    (width, height), (most_width, most_height) = look.sizes[0], look.sizes[-1]
    range_ = f"{width} x {height}" if len(look.sizes) == 1 else f"{width} x {height} to {most_width} x {most_height}"
    seen = "" if look.opened_count >= look.count else f" in the {look.opened_count} that were opened"
    lines.append(f"Size{seen}: {range_} pixels, {', '.join(IN_WORDS.get(mode, mode) for mode in look.modes)}.")
    if look.classes:
        few = ", ".join(f"{name} {count:,}" for name, count in look.classes[:8])
        more = f", and {len(look.classes) - 8} more" if len(look.classes) > 8 else ""
        lines.append(f"Folders, perhaps classes: {few}{more}.")
    if look.splits:
        lines.append(f"Splits: {', '.join(f'{name}/ {count:,}' for name, count in look.splits)}.")
    return lines


def mix(look: ImageLook) -> Draft:
    """Weak noise for training: an image gets one or two of the kinds, or none; of few images each gets all."""
    some = {"severity": 1} | ({"rate": 0.3} if look.count >= FEW else {})
    steps = [
        Step("gaussian_noise", "Noise of the sensor, as in low light.", None, some),
        Step("jpeg_compression", "Saved again, as sites and messengers do.", None, some),
        Step("brightness", "Too bright.", None, some),
    ]
    stronger = [
        Step("brightness", "Too dark.", None, {"amount": -0.1, "rate": 0.2}, id="darker", active=False),
        Step("cutout", "Something stands in front: a square of a quarter of the side.", None, _third(2), active=False),
        Step("impulse_noise", "Bit errors: white and black specks.", None, _third(1), active=False),
        Step("motion_blur", "A hand that shook.", None, _third(1), active=False),
        Step("defocus_blur", "Out of focus.", None, _third(1), active=False),
        Step("shadow", "A shadow falls on it.", None, _third(3), active=False),
    ]
    return Draft([Group("Weak", steps), Group("Stronger", stronger)])


def _third(severity: int) -> dict[str, float]:
    return {"severity": severity, "rate": 0.3}


def robustness() -> Draft:
    """Each corruption alone, at each severity, as in ImageNet-C."""
    steps = [Step(op, "", None, {"severity": 1}) for op in IMAGENET_C]
    sweep = {"severity": SEVERITIES, "steps": "alone"}
    return Draft([Group("Each alone, every image, at each severity (as in ImageNet-C)", steps)], "evaluate", sweep)
