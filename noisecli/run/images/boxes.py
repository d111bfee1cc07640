"""Boxes in COCO's files follow their images to new names, and to every copy."""

from pathlib import Path

from noisecli.annotations import Annotations, CocoFile, read_text, rewritten
from noisecli.listing import OutputEntry
from noisecli.manifest import place
from noisecli.recipe import Recipe
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.execute import Prepared
from noisecli.run.images.labels import Tree, entry_of, new_name, trees
from noisecli.run.record import Record

CLONE = 1_000
"""What a clone adds to the place of the copy that it is in: ids of the second clone get 2 * 10^15 more."""


def find_followers(dataset: Dataset, annotations: Annotations) -> dict[str, tuple[InputFile, ...]]:
    """Return the files that go with an image by their stem, by the path of the first that they go with.

    What goes with an image that is carried stays as it is.
    """
    files, found, taken = {file.relative: file for file in dataset.files}, {}, set[str]()
    for image in dataset.struck:
        mine = [name for name in annotations.sidecars.get(image.relative, ()) if name not in taken]
        taken.update(mine)
        if mine:
            found[image.relative] = tuple(files[name] for name in mine)
    return found


def write_boxes(prepared: Prepared, record: Record, data: Path) -> None:
    """Write COCO's files anew where they have to follow.

    Args:
        prepared: what was to be done.
        record: what was done; images are written, and these files carried.
        data: the output.
    """
    if prepared.annotations is None or not prepared.annotations.coco:
        return
    new: dict[str, OutputEntry] = {}
    for tree in trees(record.made or ()):
        for file in prepared.annotations.coco:
            names = _Names(file, tree, prepared.recipe)
            for made in tree.copies.get(file.relative, {}).values():
                source = prepared.annotations.files[file.relative]
                new[made.entry.path] = _rewrite(source, names, made.entry, place(data, made.entry.path))
    record.outputs[:] = [new.get(entry.path, entry) for entry in record.outputs]


class _Names:
    """What became of the names in a file."""

    def __init__(self, file: CocoFile, tree: Tree, recipe: Recipe) -> None:
        self.file = file
        self._tree = tree
        self._in_one = recipe.head.layout == "merged"

    def __call__(self, name: str) -> list[tuple[int, str]]:
        """Give place and new name of each file that came of one: of the clean data, or of one that is carried, 0."""
        made = self._tree.copies.get(self.file.path_of(name), {})
        plain = name.replace("\\", "/")
        renamed = ((key, new_name(plain, some, self.file.folder)) for key, some in made.items())
        if plain != name:
            renamed = ((key, new.replace("/", "\\")) for key, new in renamed)
        return [(0 if new == name else self._place(*key), new) for key, new in renamed]

    def _place(self, copy: int, clone: int) -> int:
        return (copy if self._in_one else 0) + CLONE * clone


def _rewrite(source: Path, names: _Names, old: OutputEntry, target: Path) -> OutputEntry:
    text = read_text(source, names.file.relative)
    assert text is not None
    with target.open("w", encoding="utf-8", newline="") as file:
        file.writelines(rewritten(text, names.file.relative, names))
    new = entry_of(old.path, old.input, old.copy_number, target)
    return old if new.sha256 == old.sha256 else new
