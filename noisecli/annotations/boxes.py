"""Boxes in files of an image each: YOLO's text, Pascal VOC's XML, JSON. Only the heads of these are read."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from noisecli.formats.content import spaced

HEAD_BYTES = 1 << 16
MOST_OPENED = 8
"""So many files of a folder are looked into to find out whether they are YOLO's."""

_VOC_ROOT = re.compile(rb"<annotation[\s>]")
_VOC_BOX = re.compile(rb"<(object|bndbox)[\s>]")
_JSON_KEYS = re.compile(rb'"(shapes|bbox|boxes|objects|polygons?|segmentation|keypoints)"\s*:')

COLUMNS = frozenset(
    {"bbox", "bboxes", "box", "boxes", "bounding_box", "bounding_boxes", "keypoints", "landmarks", "objects"}
    | {"polygon", "polygons", "segmentation", "xmin", "x_min", "xmax", "x_max", "x1", "bbox_x"}
)
"""Columns of metadata, in lower case, that say where something lies in a picture."""


def find_yolo(files: Mapping[str, Path], texts: Sequence[str]) -> frozenset[str]:
    """Return which of the texts that go with images are YOLO's, and have boxes.

    In a line of YOLO's a number of a class is followed by shares of the sides, four or more. The texts of a folder are
    YOLO's if one that is looked into has such lines alone.
    """
    by_folder: dict[str, list[str]] = {}
    for name in texts:
        if files[name].stat().st_size:
            by_folder.setdefault(PurePosixPath(name).parent.as_posix(), []).append(name)
    found: set[str] = set()
    for names in by_folder.values():
        if any(_is_yolo(_head(files[names[i]])) for i in spaced(len(names), MOST_OPENED)):
            found.update(names)
    return frozenset(found)


def _is_yolo(head: bytes) -> bool:
    lines = head.splitlines()
    lines = lines[:-1] if len(head) == HEAD_BYTES else lines  # the last one may be cut off
    said = [parts for line in lines if (parts := line.split())]
    return bool(said) and all(map(_is_box, said))


def _is_box(parts: Sequence[bytes]) -> bool:
    try:
        numbers = [float(part) for part in parts[1:]]
    except ValueError:
        return False
    return parts[0].isdigit() and len(numbers) >= 4 and all(-0.5 <= number <= 1.5 for number in numbers[:4])


def has_boxes(path: Path) -> bool:
    """Whether the XML or JSON that goes with an image says where something lies in it."""
    head = _head(path)
    patterns = [_VOC_ROOT, _VOC_BOX] if path.suffix.lower() == ".xml" else [_JSON_KEYS]
    return all(pattern.search(head) for pattern in patterns)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
