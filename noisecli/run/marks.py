"""What a run leaves for Make and DVC: a stamp that says that it is complete, and a rule that says what it read."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noisecli import manifest as manifests
from noisecli.errors import UsageProblem
from noisecli.manifest import Manifest
from noisecli.recipe import Recipe
from noisecli.recipe.builtin import PREFIX
from noisecli.run.commit import is_special, replacing
from noisecli.run.dataset import Dataset
from noisecli.run.outside import Outside, source_of

HEAD = "# noisecli made "
"""How stamps and dependency files begin: what begins otherwise is somebody else's and is not replaced."""

ESCAPES = {" ": "\\ ", "#": "\\#", "$": "$$", ":": "\\:", "*": "\\*", "?": "\\?", "[": "\\[", "=": "$(if ,,=)"}
"""What Make reads otherwise, and how it is written. A bare `=` would make an assignment of the rule."""
INEXPRESSIBLE = frozenset(";|\\\t\n\r\v\f")
"""What no rule of Make can have in a name."""


@dataclass(frozen=True)
class Marks:
    """The files that a run writes when its output stands, the stamp last."""

    stamp: Path | None = None
    """Its content is a digest of what was made; its time is always that of the run, whatever else is kept."""
    depfile: Path | None = None
    """A rule for Make: the stamp if there is one, else the output, depends on everything that was read."""

    def check(self, output: Path, root: Path, read: Sequence[Path]) -> None:
        """Refuse places where something else stands or will stand, and names that Make cannot read.

        Args:
            output: where the output will stand.
            root: the input.
            read: everything that the run reads.
        """
        if not self._places():
            return
        taken = {path.resolve() for path in (*read, *(manifests.beside(output, end) for end in manifests.BESIDE))}
        real = [output.resolve(), root.resolve()]
        if self.stamp is not None and self.depfile is not None and self.stamp.resolve() == self.depfile.resolve():
            raise UsageProblem(f"{self.stamp}: the stamp and the dependency file need a name each")
        for path in self._places():
            place = path.resolve()
            if place in taken or any(place.is_relative_to(other) for other in real):
                raise UsageProblem(f"{path}: belongs to the input or the output: choose another place")
            if path.is_dir():
                raise UsageProblem(f"{path}: is a folder: name a file")
            if is_special(path):
                raise UsageProblem(f"{path}: no file, and would be replaced by one: choose another name")
            if path.exists() and path.stat().st_size and not _is_ours(path):
                raise UsageProblem(f"{path}: not made by noisecli, and would be replaced: choose another name")
        if self.depfile is not None:
            self._rule(output, read)

    def write(self, output: Path, read: Sequence[Path], manifest: Manifest) -> None:
        """Write the files, each as a whole."""
        if self.depfile is not None:
            _write(self.depfile, self._rule(output, read))
        if self.stamp is not None:
            _write(self.stamp, f"{HEAD}{digest(manifest)}\n")

    def _places(self) -> list[Path]:
        return [path for path in (self.stamp, self.depfile) if path is not None]

    def _rule(self, output: Path, read: Sequence[Path]) -> str:
        target = _escaped(output if self.stamp is None else self.stamp, target=True)
        names = "".join(f" \\\n  {_escaped(path)}" for path in read)
        # A rule for each without a recipe: a file that is gone makes Make run again, instead of giving up.
        alone = "".join(f"\n{_escaped(path, target=True)}:\n" for path in read)
        return f"{HEAD}this from what follows\n{target}:{names}\n{alone}"


def digest(manifest: Manifest) -> str:
    """Digest what a run made: paths and contents of all outputs, the truth and the intervals, not the manifest."""
    told = {"truth": manifest.truth, "intervals": manifest.intervals}
    lines = [f"{entry.sha256}  {entry.path}" for entry in manifest.outputs]
    lines += [f"{entry.sha256}  {key}" for key, entry in told.items() if entry is not None]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def files_read(given: str | Path | Mapping[str, Any], recipe: Recipe, dataset: Dataset, outside: Outside) -> list[Path]:
    """Return everything that a run reads, by the names that its user gave; of a folder all folders in it too.

    Args:
        given: the recipe as its user named it.
        recipe: what it says.
        dataset: the input.
        outside: files and code that steps read.
    """
    read = [] if isinstance(given, Mapping) else [str(given).partition("#")[0]]
    paths = [Path(name) for name in read if not name.startswith(PREFIX)]
    if recipe.head.facts is not None:
        paths.append(manifests.locate(Path(recipe.head.facts)))
    paths += [Path(name) for name in outside.files]
    paths += [_near(source_of(function)) for function in outside.code]
    # A file that comes or goes changes the time of its folder.
    parents = {file.path.parent for file in dataset.files}
    folders = {up for folder in parents for up in (folder, *folder.parents) if up.is_relative_to(dataset.root)}
    return list(dict.fromkeys([*paths, *sorted(folders), *(file.path for file in dataset.files)]))


def _near(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _escaped(path: Path, target: bool = False) -> str:
    name = str(path)
    if not INEXPRESSIBLE.isdisjoint(name) or name.endswith((" ", "&", ")")):  # name(member) is a part of an archive
        raise UsageProblem(f"{name!r}: a name that no rule of Make can hold: rename it, or leave --depfile out")
    escapes = {**ESCAPES, "%": "\\%"} if target else ESCAPES
    return "".join(escapes.get(character, character) for character in name)


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HEAD)) == HEAD.encode()


def _write(path: Path, text: str) -> None:
    with replacing(path) as draft:
        draft.write_text(text, encoding="utf-8", newline="")
