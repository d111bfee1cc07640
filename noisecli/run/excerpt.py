"""A small dataset from all over a large one, to look at before all of it is read."""

from dataclasses import dataclass
from pathlib import Path

from noisecli.formats.content import spaced
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.images.write import copy_bytes

MOST_FILES = 16
"""How many files an excerpt is made of."""


@dataclass(frozen=True)
class Excerpt:
    """Where it is."""

    root: Path
    """A file, or a folder, as the input is one; its files have the same addresses."""
    whole: bool
    """Whether it is the whole input."""


def excerpt(dataset: Dataset, folder: Path, size: int, places: int = 1, files: int = MOST_FILES) -> Excerpt:
    """Make an excerpt of the files that a recipe may strike.

    Tables are shortened; of images there are fewer. What is small enough is there as a whole.

    Args:
        dataset: the input.
        folder: where the excerpt goes; nothing else is there.
        size: how many bytes of tables it takes, about.
        places: from how many places all over the tables their rows come; the first rows are among them.
        files: how many files it has at the most, the first among them.
    """
    root = folder / dataset.root.name
    chosen = [dataset.struck[i] for i in spaced(len(dataset.struck), files)]
    fits = sum(file.path.stat().st_size for file in chosen) <= size
    each = size if fits else size // len(chosen)
    whole = [_take(file, root, dataset, each, max(1, places // len(chosen))) for file in chosen]
    return Excerpt(root, all(whole) and len(chosen) == len(dataset.struck))


def _take(file: InputFile, root: Path, dataset: Dataset, size: int, places: int) -> bool:
    """Put one file into an excerpt; say whether it is all of it."""
    target = root if dataset.single else root / file.relative
    target.parent.mkdir(parents=True, exist_ok=True)
    if dataset.target == "images" or file.path.stat().st_size <= size:
        copy_bytes(file.path, target)
        return True
    file.table().excerpt(target, size, places)
    return False
