"""Masks: pictures whose pixels are annotations, so that noise would make other classes of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from noisecli.annotations.names import MASK_FOLDERS, PERHAPS_MASKS, Index, bare_stem, role_of
from noisecli.errors import DataProblem
from noisecli.formats.content import spaced
from noisecli.formats.images import EXTENSIONS, OTHER_EXTENSIONS, head_of

MOST_OPENED = 32
"""So many pictures of a folder are looked into to find out whether they are masks."""

PLAIN_MODES = frozenset({"1", "L", "LA", "P", "PA", "I", "I;16", "I;16B"})
"""Grey or of a palette, as Pillow calls it."""

_MASK_NAME = re.compile(r"mask[^/]*\.png$", re.IGNORECASE)


def find_masks(files: Mapping[str, Path]) -> frozenset[str]:
    """Return which files of a folder are masks.

    A picture may be one if a folder that it lies in, or the end of its name, says so. All that lie in that folder are
    masks if some have an image of their stem, and most of these, as far as they are looked into, its size. Where the
    image does not lie where one would look for it they have to be grey or of a palette. Where the name may mean
    something else, a class or a photograph of a label, both have to be so.

    Args:
        files: those of the folder, by relative path.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for relative in files:
        if PurePosixPath(relative).suffix.lower() in EXTENSIONS and (group := _group(relative)):
            groups.setdefault(group, []).append(relative)
    if not groups:
        return frozenset()
    perhaps = {relative for group in groups.values() for relative in group}
    index = Index(name for name in files if name not in perhaps and _is_picture(name))
    found: set[str] = set()
    for (_, role), names in groups.items():
        named = [name for name in names if index.owners(name, anywhere=role in MASK_FOLDERS)]
        some = [named[i] for i in spaced(len(named), MOST_OPENED)]
        if sum(_fits(name, role, files, index) for name in some) * 2 > len(some):
            found.update(names if role else named)
    return frozenset(found)


def masks_by_name(pictures: Sequence[str]) -> frozenset[str]:
    """Return which pictures of a tar are masks: those that are by the end of their name, or a folder, beside an image.

    Nobody looks into them; folders that may be those of a class do not count.
    """
    perhaps = {name: group[1] for name in pictures if (group := _group(name)) and group[1] not in PERHAPS_MASKS}
    index = Index(name for name in pictures if name not in perhaps) if perhaps else Index(())
    return frozenset(name for name, role in perhaps.items() if index.owners(name, anywhere=role in MASK_FOLDERS))


def _is_picture(relative: str) -> bool:
    suffix = PurePosixPath(relative).suffix.lower()
    return suffix in EXTENSIONS or suffix in OTHER_EXTENSIONS


def _group(relative: str) -> tuple[str, str] | None:
    """The folder that makes a mask of a picture and its role; "" if its own name does; None: nothing does."""
    folder, _, name = relative.rpartition("/")
    return _folder_of_masks(folder) or ((folder or ".", "") if bare_stem(name) else None)


@lru_cache(maxsize=4096)
def _folder_of_masks(path: str) -> tuple[str, str] | None:
    for folder in reversed([PurePosixPath(path), *PurePosixPath(path).parents]):
        role = role_of(folder.name)
        if role in MASK_FOLDERS or role in PERHAPS_MASKS:
            return folder.as_posix(), role
    return None


def _fits(relative: str, role: str, files: Mapping[str, Path], index: Index) -> bool:
    """Whether a picture looks like the mask of an image."""
    beside = index.owners(relative)
    owners = beside or index.owners(relative, anywhere=True)
    try:
        size, mode = head_of(files[relative])
        sure = role in MASK_FOLDERS or (not role and _MASK_NAME.search(relative) is not None)
        if mode not in PLAIN_MODES and not (sure and beside):
            return False
        return any(_is_other(owner) or head_of(files[owner])[0] == size for owner in owners)
    except DataProblem:
        return False


def _is_other(relative: str) -> bool:
    """Whether a picture is of a kind that is not opened here; that its name fits has to do."""
    return PurePosixPath(relative).suffix.lower() in OTHER_EXTENSIONS


def folders_of(masks: Iterable[str]) -> list[str]:
    """Return the folders that masks lie in, each as far down as its name says what they are."""
    groups = {name: _group(name) for name in masks}
    return sorted({group[0] if group else PurePosixPath(name).parent.as_posix() for name, group in groups.items()})
