"""What a folder of images says of where things lie in them: masks and boxes, and which files go with an image."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from noisecli.annotations.boxes import COLUMNS, find_yolo, has_boxes
from noisecli.annotations.coco import CocoFile, look, read_text, rewritten
from noisecli.annotations.masks import find_masks, folders_of, masks_by_name
from noisecli.annotations.names import Index
from noisecli.formats.images import EXTENSIONS

__all__ = [
    "COLUMNS",
    "MASK",
    "Annotations",
    "CocoFile",
    "find_masks",
    "folders_of",
    "masks_by_name",
    "read_text",
    "rewritten",
]

MASK, BOXES = "a mask", "boxes"

COMPANIONS = frozenset({".caption", ".json", ".txt", ".xml"})
"""Extensions of files that go with the image of their stem."""


@dataclass(frozen=True)
class Annotations:
    """The annotations of a folder of images; what they are is found out once it is asked for."""

    files: Mapping[str, Path]
    """All files, by relative path."""
    masks: frozenset[str]
    """Paths of those that are masks."""

    @cached_property
    def images(self) -> tuple[str, ...]:
        """Paths of the images that are no masks."""
        pictures = (name for name in self.files if PurePosixPath(name).suffix.lower() in EXTENSIONS)
        return tuple(name for name in pictures if name not in self.masks)

    @cached_property
    def sidecars(self) -> Mapping[str, tuple[str, ...]]:
        """The files that go with an image by their stem, by its path: masks, YOLO's text, XML, JSON, captions."""
        index, found = Index(self.images), dict[str, list[str]]()
        for name in self.files:
            is_mask = name in self.masks
            if is_mask or PurePosixPath(name).suffix.lower() in COMPANIONS:
                for image in index.owners(name, anywhere=True) if is_mask else index.companions(name):
                    found.setdefault(image, []).append(name)
        return {image: tuple(sorted(names)) for image, names in found.items()}

    @cached_property
    def coco(self) -> tuple[CocoFile, ...]:
        """The files of COCO's kind.

        Raises:
            DataProblem: one looks like it, but cannot be read.
        """
        by_name: dict[str, list[str]] = {}
        for image in self.images:
            by_name.setdefault(image.rpartition("/")[2], []).append(image)
        beside = {name for names in self.sidecars.values() for name in names}
        texts = (name for name in self.files if name.lower().endswith(".json") and name not in beside)
        looked = (look(self.files[name], name, by_name) for name in texts)
        return tuple(file for file in looked if file is not None)

    @cached_property
    def _yolo(self) -> frozenset[str]:
        beside = {name for names in self.sidecars.values() for name in names}
        return find_yolo(self.files, sorted(name for name in beside if name.lower().endswith(".txt")))

    def marking(self, image: str) -> Iterator[tuple[str, str]]:
        """Yield what says where something lies in an image, MASK or BOXES, and the path of the file."""
        for name in self.sidecars.get(image, ()):
            if name in self.masks:
                yield MASK, name
            elif name in self._yolo or (name.lower().endswith((".xml", ".json")) and has_boxes(self.files[name])):
                yield BOXES, name
        for file in self.coco:
            if image in file.annotated:
                yield BOXES, file.relative
