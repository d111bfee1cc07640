"""COCO's JSON: which images it has, which of them are annotated, and the same text for images of other names.

It is one object with a list of `images`, each with an `id` and a `file_name`, and one of `annotations`, each with the
`image_id` that it is about. Entries are looked at one by one, so memory holds the text of the file and little more.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from noisecli.errors import DataProblem

MOST_BYTES = 1 << 29
"""A larger file is not read; that of COCO's 118,000 training images has 0.45 GB."""

HEAD_BYTES = 1 << 12
_KEYS = (b'"images"', b'"annotations"')
_COCO_START = re.compile(rb'(\xef\xbb\xbf)?\s*\{\s*"(info|licenses|images|annotations|categories|type)"\s*:')
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_TAKEN_APART = ("images", "annotations")

ID_STEP = 10**12
"""What is added to ids for each place; COCO's own have up to 12 digits."""

MOST_PLACES = 9_000
"""Ids stay below 2^53, above which JavaScript, and whoever reads numbers as it does, rounds."""

Copies = Callable[[str], list[tuple[int, str]]]
"""Place and new name of each file that came of a name; none where it is not there. At place 0 ids stay as they are."""


@dataclass(frozen=True)
class CocoFile:
    """What was found in a file."""

    relative: str
    folder: str
    """Where the images lie that it names, relative to the folder of the set; "" is that itself."""
    names: tuple[str, ...]
    annotated: frozenset[str]
    """Paths of images with annotations."""

    def path_of(self, name: str) -> str:
        """Return the path of an image that it names."""
        return _joined(self.folder, name)


@dataclass
class _Found:
    """Names of images by id, and ids that annotations are about."""

    names: dict[Any, str] = field(default_factory=dict)
    about: set[Any] = field(default_factory=set)

    def add(self, key: str, entry: Any) -> None:
        if isinstance(entry, dict):
            name, id_ = entry.get("file_name"), entry.get("id" if key == "images" else "image_id")
            if isinstance(id_, int | float | str):
                if key == "annotations":
                    self.about.add(id_)
                elif isinstance(name, str):
                    self.names[id_] = name


def read_text(path: Path, relative: str) -> str | None:
    """Return the text of a file; None: it is no COCO.

    Raises:
        DataProblem: it is too large to be read.
    """
    with path.open("rb") as file:
        size, head = path.stat().st_size, file.read(HEAD_BYTES)
        if size > MOST_BYTES:
            if not _COCO_START.match(head):
                return None
            raise DataProblem(
                f"{relative}: {size:,} bytes are too many for COCO annotations (at most {MOST_BYTES:,}): split the "
                "file, or move it away"
            )
        data = head + file.read(MOST_BYTES)
    try:
        return data.decode() if all(key in data for key in _KEYS) else None
    except UnicodeDecodeError:
        return None


def look(path: Path, relative: str, images: Mapping[str, list[str]]) -> CocoFile | None:
    """Find out what a file annotates; None: it is no COCO.

    Args:
        path: the file.
        relative: its path in the set.
        images: paths of all images of the set, by the last part of their names.

    Raises:
        DataProblem: it is too large, or no JSON.
    """
    text = read_text(path, relative)
    if text is None:
        return None
    found = _Found()
    for key, _, entry in _checked(text, relative):
        found.add(key, entry)
    if not found.names:
        return None
    folder = _folder(relative, found.names.values(), images)
    annotated = {_joined(folder, name) for id_, name in found.names.items() if id_ in found.about}
    return CocoFile(relative, folder, tuple(found.names.values()), frozenset(annotated))


def _joined(folder: str, name: str) -> str:
    return normpath(f"{folder}/{name}".replace("\\", "/").lstrip("/"))


def _folder(relative: str, names: Iterable[str], images: Mapping[str, list[str]]) -> str:
    """Return the folder from which most names lead to images; of equal ones that which the file is called after."""
    found: Counter[str] = Counter()
    beside, _, stem = PurePosixPath(relative).with_suffix("").as_posix().rpartition("/")
    for name in names:
        end = _joined("", name)
        alike = images.get(end.rpartition("/")[2], ())
        folders = {image[: -len(end)].rstrip("/") for image in alike if f"/{image}".endswith(f"/{end}")}
        found.update(folders | ({beside} if _joined(beside, name) in alike else set()))

    def fitness(folder: str) -> tuple[int, bool, bool, bool, str]:
        called = PurePosixPath(folder).name.lower()
        return (
            -found[folder],
            folder != beside,
            not (called and called in stem.lower()),
            not folder.startswith(beside),
            folder,
        )

    return min(found, key=fitness, default=beside)


def rewritten(text: str, relative: str, copies: Copies) -> Iterator[str]:
    """Yield the text with its images under their new names, each as often as files came of it, and annotations with it.

    The old id plus 10^12 times its place is the new one, or what is text gets `__1` at its end. All else stays.

    Args:
        text: that of the file.
        relative: its path, for faults.
        copies: what became of the file of a name.
    """
    found = _Found()
    for key, _, entry in _checked(text, relative):
        if key == "images":
            found.add(key, entry)
    made = {id_: copies(name) for id_, name in found.names.items()}
    for key, raw, entry in split(text):
        mine = _copies_of(key, entry, made, copies) if isinstance(entry, dict) else []
        some = [_moved(key, entry, place, name, relative) for place, name in mine]
        yield ", ".join(raw if new == entry else _written(new, raw, relative) for new in some) or raw


def _copies_of(
    key: str, entry: dict[str, Any], made: Mapping[Any, list[tuple[int, str]]], copies: Copies
) -> list[tuple[int, str]]:
    """What became of an image, or of that which an annotation is about, by its id."""
    if key == "annotations":
        id_ = entry.get("image_id")
        return made.get(id_, []) if isinstance(id_, int | float | str) else []
    name = entry.get("file_name")
    return copies(name) if isinstance(name, str) else []


def _moved(key: str, entry: dict[str, Any], place: int, name: str, relative: str) -> dict[str, Any]:
    """Return an image under its new name, or an annotation of it."""
    new: dict[str, Any] = {
        id_: _id_at(entry[id_], place, relative) for id_ in ("id", "image_id") if place and id_ in entry
    }
    if key == "images":
        new["file_name"] = name
    elif isinstance(entry.get("file_name"), str):  # the mask of a panoptic set
        new["file_name"] = _with_stem(entry["file_name"], name)
    return {**entry, **new}


def _written(entry: dict[str, Any], raw: str, relative: str) -> str:
    """Write an entry as it was written; half a character, which JSON can hold, only as an escape."""
    try:
        return json.dumps(entry, ensure_ascii=raw.isascii() or "\\ud" in raw.lower())
    except RecursionError:
        raise _unreadable(relative, "nested too deeply") from None


def _with_stem(name: str, other: str) -> str:
    last = name.rpartition("/")[2]
    return name[: len(name) - len(last)] + PurePosixPath(other).stem + PurePosixPath(last).suffix


def _id_at(old: Any, place: int, relative: str) -> Any:
    if isinstance(old, str):
        return f"{old}__{place}"
    if isinstance(old, bool) or not isinstance(old, int) or not 0 <= old < ID_STEP or place > MOST_PLACES:
        what = f"{relative}: copies of what has the id {old!r} can get no ids of their own below 2^53"
        raise DataProblem(f"{what}: give ids below 10^12, make fewer copies or clones, or leave out `layout: merged`")
    return old + place * ID_STEP


def _checked(text: str, relative: str) -> Iterator[tuple[str, str, Any]]:
    try:
        yield from split(text)
    except (ValueError, IndexError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else "it is no JSON, or ends early"
        raise _unreadable(relative, why) from None


def _unreadable(relative: str, why: str) -> DataProblem:
    return DataProblem(
        f"{relative}: looks like COCO annotations but cannot be read: {why}; repair the file, or move it away"
    )


def split(text: str) -> Iterator[tuple[str, str, Any]]:
    """Yield key, text and value of each entry of `images` and `annotations`, and the text between them.

    All texts together are the file's; key and value of what is between are "" and None.

    Raises:
        ValueError, IndexError, RecursionError: it is no JSON object.
    """
    start, at = 0, _skip(text, text.startswith("\ufeff"))
    at = _skip(text, _expect(text, at, "{"))
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, _expect(text, _skip(text, at), ":"))
        if key in _TAKEN_APART and text[at] == "[":
            at = _skip(text, at + 1)
            while text[at] != "]":
                value, end = _DECODER.raw_decode(text, at)
                yield "", text[start:at], None
                yield key, text[at:end], value
                start, at = end, _next(text, end, "]")
            at += 1
        else:
            _, at = _DECODER.raw_decode(text, at)
        at = _next(text, at, "}")
    if _skip(text, at + 1) != len(text):
        raise ValueError("more than one value")
    yield "", text[start:], None


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _expect(text: str, at: int, sign: str) -> int:
    if text[at] != sign:
        raise ValueError(f"{sign} expected")
    return at + 1


def _next(text: str, at: int, end: str) -> int:
    """Return where the next entry begins, or the end of all."""
    at = _skip(text, at)
    return at if text[at] == end else _skip(text, _expect(text, at, ","))
