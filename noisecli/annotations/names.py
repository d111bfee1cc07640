"""What the names of files and folders say: which are annotations, and of which image.

Sets differ in how they lay this out: `images/train/1.jpg` has its mask in `masks/train/1.png`, `train/masks/1.png`,
`train_masks/1_mask.png` or `1_mask.png` beside it. So what says "image" or "annotation" is taken out of a path, and
what is left is the same for both.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from pathlib import PurePosixPath

IMAGE_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "input", "inputs", "jpegimages", "leftimg8bit", "photos", "pictures", "rgb"}
)
MASK_FOLDERS = frozenset(
    {"annotations", "gtcoarse", "gtfine", "ground_truth", "groundtruth", "labelids", "masks", "segmentation"}
    | {"segmentationclass", "segmentationclassaug", "segmentationobject", "segmentations", "stuffthingmaps", "trimaps"}
)
PERHAPS_MASKS = frozenset({"annot", "annotation", "annots", "gt", "label", "labels", "mask", "seg"})
"""Folders of masks, or of a class: a face with a mask."""
BOX_FOLDERS = frozenset({"xml", "xmls"})

_ANNOTATION_FOLDERS = MASK_FOLDERS | PERHAPS_MASKS | BOX_FOLDERS
_SPLIT = re.compile(r"(train|training|val|valid|validation|test|testing|dev)?[0-9]*")
_MASK_SUFFIX = re.compile(
    r"[-_. ](masks?|seg|segmentation|gt|labels?|labelids|matte|(gtfine|gtcoarse)_[a-z]+)([-_ ]?[0-9]+)?$", re.IGNORECASE
)
_IMAGE_SUFFIX = re.compile(r"[-_. ](leftimg8bit|image|img|rgb|sat)$", re.IGNORECASE)

Slot = tuple[str, ...]
"""What of a path is the same for an image and its annotations: folders and stem."""


def role_of(folder: str) -> str:
    """Return what the name of a folder says that it holds: `masks` of `train_masks`; "" if nothing."""
    return _apart(folder)[0]


@lru_cache(maxsize=4096)
def _apart(folder: str) -> tuple[str, str]:
    """The role of a folder, and the rest of its name."""
    name, known = folder.lower().replace("-", "_"), _ANNOTATION_FOLDERS | IMAGE_FOLDERS
    for role, rest in ((name, ""), name.partition("_")[::2], name.rpartition("_")[::-2]):
        if role in known and _SPLIT.fullmatch(rest):
            return role, rest
    return "", name


def is_annotation_folder(folder: str) -> bool:
    """Whether a folder holds annotations by its name."""
    return role_of(folder) in _ANNOTATION_FOLDERS


def bare_stem(name: str) -> str:
    """Return the stem of a mask without what says that it is one: `1` of `1_mask.png`; "" where nothing says so."""
    stem = PurePosixPath(name).stem
    bare = _MASK_SUFFIX.sub("", stem)
    return "" if bare == stem else bare


def _slot(path: PurePosixPath, stem: str) -> Slot:
    return (*filter(None, (_apart(part)[1] for part in path.parts[:-1])), stem)


class Index:
    """Images by what their annotations are called."""

    def __init__(self, images: Iterable[str]) -> None:
        self._by_slot: dict[Slot, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for relative in images:
            path = PurePosixPath(relative)
            for stem in dict.fromkeys((path.stem, _IMAGE_SUFFIX.sub("", path.stem))):
                self._by_slot[_slot(path, stem)].append(relative)
                self._by_stem[stem].append(relative)

    def owners(self, relative: str, anywhere: bool = False) -> list[str]:
        """Return the images that an annotation belongs to by its path.

        Args:
            relative: path of the annotation.
            anywhere: whether the only image of its stem will do, wherever it lies.
        """
        path = PurePosixPath(relative)
        stems = [stem for stem in (path.stem, bare_stem(path.name)) if stem]
        found = (self._by_slot.get(_slot(path, stem)) for stem in stems)
        alone = (some for stem in stems if anywhere and len(some := self._by_stem.get(stem, [])) == 1)
        return next(filter(None, found), None) or next(alone, [])

    def companions(self, relative: str) -> list[str]:
        """Return the images that a file of text belongs to: beside it, or in the folder that its own goes with."""
        path = PurePosixPath(relative)
        named = any(map(is_annotation_folder, path.parts[:-1]))
        return [image for image in self.owners(relative) if named or PurePosixPath(image).parent == path.parent]
