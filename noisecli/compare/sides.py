"""Two sides to be compared: which file of the one belongs to which of the other, and how they are read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from noisecli import manifest as manifests
from noisecli.celltext import NULLS
from noisecli.corruption import Corruption, FileCorruption, ImageFileCorruption, RowsCorruption, Target, find_op
from noisecli.errors import DataProblem, UsageProblem
from noisecli.formats import Reading
from noisecli.listing import OutputEntry
from noisecli.manifest import BESIDE, INTERVALS, TRUTH, Manifest
from noisecli.recipe.models import Data
from noisecli.run.dataset import IMAGES, TABLES, InputFile, table_suffix


@dataclass(frozen=True)
class Pair:
    """A file before and after."""

    name: str
    """As the manifest calls the clean file, or its path within the folder; "." for a single file."""
    clean: InputFile
    noisy: InputFile
    entry: OutputEntry | None = None
    """What the manifest says of it."""

    @property
    def carried(self) -> bool:
        """Whether the manifest says that it was copied byte for byte."""
        return self.entry is not None and self.entry.carried

    @property
    def is_clone(self) -> bool:
        """Whether the manifest says that it is an image more, made of another one of the copy."""
        return any("clone" in got for got in self._drawn.values())

    @property
    def classes(self) -> tuple[str, str] | None:
        """The class of an image before and after; None: the manifest says of no step that it changed it."""
        # An orientation has a number before and after.
        found = [got for got in self._drawn.values() if isinstance(got.get("before"), str)]
        return (found[0]["before"], found[-1]["after"]) if found else None

    @property
    def _drawn(self) -> Mapping[str, Mapping[str, Any]]:
        drawn = {} if self.entry is None else self.entry.drawn or {}
        return {step: got for step, got in drawn.items() if isinstance(got, dict)}  # it comes from outside


@dataclass(frozen=True)
class Sides:
    """The clean and the noisy side."""

    target: Target
    pairs: tuple[Pair, ...]
    """Files of that kind."""
    others: tuple[Pair, ...]
    """Files of another kind: only their bytes can be compared."""
    missing: tuple[str, ...]
    """Files of the clean side only."""
    added: tuple[str, ...]
    """Files of the noisy side only."""
    data: Data
    """What the recipe says of the data, as far as there is one."""
    manifest: Manifest | None = None
    output: Path | None = None
    """What the manifest speaks of."""
    sweep: str | None = None
    """Which combination of a sweep it is, by its folder."""
    copy: int | None = None
    swapped: bool = False
    """Whether the clean side is a copy of the noisy one, by its manifest."""

    def strange(self) -> list[str]:
        """Return clean files that are not the run's input."""
        if self.manifest is None:
            return []
        inputs = {entry.path: (entry.sha256, entry.bytes) for entry in self.manifest.inputs}
        files = [pair.clean.path for pair in self.pairs]
        known = [inputs.get(pair.name) for pair in self.pairs]
        return [str(path) for path, entry in zip(files, known, strict=True) if manifests.digest(path) != entry]

    @property
    def truth(self) -> Path | None:
        """The truth file, if there is one."""
        return self._companion(TRUTH)

    @property
    def intervals(self) -> Path | None:
        """The file of intervals, if there is one."""
        return self._companion(INTERVALS)

    def ops(self, idle: bool = True) -> Mapping[str, type]:
        """Classes of the ops by id of the step, as far as they are installed; `idle`: those with a rate of 0, too.

        None acted on copy 0, the clean data.
        """
        steps = [] if self.manifest is None or self.copy == 0 else self.manifest.steps
        mine = [step for step in steps if step.sweep == self.sweep and (idle or step.rate > 0)]
        found = {step.id: find_op(self.target, step.op) for step in mine}
        return {name: op for name, op in found.items() if op is not None}

    @property
    def row_steps(self) -> int:
        """How many steps may have moved, repeated or dropped rows; a truth tells of rows even if they did not."""
        steps = [] if self.manifest is None or self.copy == 0 else self.manifest.steps
        weighted = self.data.soft_labels == "weighted" and any(step.outgoing for step in steps)
        ops = self.ops(idle=self.truth is not None).values()
        return weighted + sum(issubclass(op, RowsCorruption) for op in ops)

    def is_damaged(self, pair: Pair) -> bool:
        """Whether a step damaged the file of an image, by the manifest, and it is still the file that came of it."""
        entry, ops = pair.entry, self.ops()
        if entry is None or not any(
            issubclass(ops.get(step, Corruption), ImageFileCorruption) for step in entry.drawn or ()
        ):
            return False
        return manifests.digest(pair.noisy.path) == (entry.sha256, entry.bytes)

    @property
    def is_dirty(self) -> bool:
        """Whether a step damaged the text of the finished files."""
        return any(issubclass(op, FileCorruption) for op in self.ops().values())

    def _companion(self, suffix: str) -> Path | None:
        path = None if self.output is None else manifests.beside(self.output, suffix)
        return path if path is not None and path.is_file() else None


def open_sides(clean: Path, noisy: Path, copy: int | None, spool: Path) -> Sides:
    """Find out what belongs together.

    Args:
        clean: a file or folder.
        noisy: a copy of it; where a manifest stands beside it or a folder above it, the manifest says what belongs
            together and how the files are read.
        copy: which copy, where there are several; None: the first noisy one.
        spool: a folder for plain copies of files that are compressed or otherwise encoded.

    Raises:
        UsageProblem: what is there cannot be compared, or it is not clear what with what.
    """
    if noisy.name.endswith(manifests.SUFFIX):
        noisy = manifests.output_for(noisy)
    for path in (clean, noisy):
        if not path.exists():
            raise UsageProblem(f"{path}: no such file or folder")
    found = _manifest_of(noisy)
    if found is None and copy is not None:
        raise UsageProblem(f"--copy: {noisy} has no manifest that tells copies: name the folder of one")
    sides = _unrecorded(clean, noisy, spool) if found is None else _recorded(clean, noisy, copy, spool, *found)
    if not sides.pairs:
        _refuse_tars(sides.others)
    if not (sides.pairs or sides.missing or sides.added) and clean.is_file():
        raise _incomparable(clean, noisy)
    return sides


def swapped(clean: Path, noisy: Path) -> str:
    """Say that clean and noisy data seem to have changed places."""
    return f"{clean}: is a copy of {noisy}, by its manifest: name the clean data as the clean, the copy as the noisy"


def _manifest_of(noisy: Path) -> tuple[Manifest, Path, list[OutputEntry]] | None:
    """The manifest of an output or of one that it lies in, that output, and the entries that are meant."""
    whole = noisy.absolute()
    for output in (whole, *whole.parents):
        if output.name and manifests.path_for(output).is_file():
            manifest = manifests.read(manifests.path_for(output))
            inside = whole.relative_to(output).as_posix()
            meant = [e for e in manifest.outputs if inside == "." or f"{e.path}/".startswith(f"{inside}/")]
            if meant:
                return manifest, noisy if inside == "." else output, meant
    return None


def _recorded(
    clean: Path, noisy: Path, copy: int | None, spool: Path, manifest: Manifest, output: Path, meant: list[OutputEntry]
) -> Sides:
    folders = sorted({step.sweep for step in manifest.steps if step.sweep is not None})
    swept = {folder for folder in folders if any(e.path.startswith(f"{folder}/") for e in meant)}
    if len(swept) > 1:
        named = ", ".join(str(noisy / folder) for folder in sorted(swept)[:5])
        raise UsageProblem(f"{noisy}: holds {len(swept)} results of a sweep: name one of them, such as {named}")
    copies = sorted({entry.copy_number for entry in meant})
    if copy is None:
        copy = next((number for number in copies if number), 0)
    if copy not in copies:
        raise UsageProblem(f"{noisy}: has no copy {copy}; it has {', '.join(map(str, copies))}")
    entries = [entry for entry in meant if entry.copy_number == copy]
    if clean.is_file() and len(entries) > 1:
        entries = [entry for entry in entries if Path(entry.input).name == clean.name]
        if len(entries) != 1:
            raise UsageProblem(f"{clean}: is one file, and {noisy} has copies of several: give the folder")
    elif clean.is_dir() and entries[0].input == ".":
        raise UsageProblem(f"{clean}: is a folder, and {noisy} a copy of one file: give the file")
    data = _data_of(manifest, output)
    reading = _reading(data, spool)
    pairs, missing, added = [], [], []
    for entry in entries:
        before = clean if clean.is_file() else manifests.place(clean, entry.input)
        after = manifests.place(output, entry.path)
        if not before.is_file():
            added.append(entry.input)
        elif not after.is_file():
            missing.append(entry.input)
        else:
            pairs.append(Pair(entry.input, _file(before, reading), _file(after, reading), entry))
    if clean.is_dir():
        # Not only of those of this copy: in a merged tree carried files are there once.
        missing += sorted(_files(clean).keys() - {entry.input for entry in meant})
    if noisy.is_dir():
        added += [str(path) for path in manifests.strangers(manifest, output) if path.is_relative_to(noisy.absolute())]
    target: Target = manifest.recipe.get("target", "table")
    mine = tuple(pair for pair in pairs if _shared_target(pair) == target)
    others = tuple(pair for pair in pairs if _shared_target(pair) != target)
    sweep = next(iter(swept), None)
    return Sides(target, mine, others, tuple(missing), tuple(added), data, manifest, output, sweep, copy)


def _unrecorded(clean: Path, noisy: Path, spool: Path) -> Sides:
    if clean.is_dir() != noisy.is_dir():
        folder = clean if clean.is_dir() else noisy
        raise UsageProblem(f"{folder}: is a folder, and the other a file: give two files, or two folders")
    data = Data()
    reading = _reading(data, spool)
    left, right = ({".": clean}, {".": noisy}) if clean.is_file() else (_files(clean), _files(noisy))
    names = [name for name in left if name in right]
    pairs = [Pair(name, _file(left[name], reading), _file(right[name], reading)) for name in names]
    targets = {target for pair in pairs if (target := _shared_target(pair)) is not None}
    if len(targets) > 1:
        raise UsageProblem(f"{clean}: holds tables and images: give folders of one kind")
    if not targets:
        _refuse_tars(pairs)
        raise _incomparable(clean, noisy)
    (target,) = targets
    mine = tuple(pair for pair in pairs if _shared_target(pair) == target)
    others = tuple(pair for pair in pairs if _shared_target(pair) != target)
    return Sides(target, mine, others, _only(left, right), _only(right, left), data, swapped=_is_copy(clean, noisy))


def _refuse_tars(pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        if pair.clean.is_tar:
            raise UsageProblem(f"{pair.noisy.path}: images in tars are not compared: unpack both sides, and name these")


def _is_copy(one: Path, other: Path) -> bool:
    """Whether a manifest says that the one was made from the other."""
    found = _manifest_of(one)
    return found is not None and not manifests.check(found[0].inputs, other)


def _incomparable(clean: Path, noisy: Path) -> UsageProblem:
    kinds = ", ".join([*TABLES, *sorted(IMAGES)])
    what = "no two files of one name that noisecli reads" if clean.is_dir() else "no files that can be compared"
    return UsageProblem(f"{clean}, {noisy}: {what}: let the names end as the data are ({kinds})")


def _only(mine: Iterable[str], theirs: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(mine) - set(theirs)))


def _data_of(manifest: Manifest, output: Path) -> Data:
    try:
        return Data.model_validate(manifest.recipe.get("data", {}))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, ("data", *fault["loc"])))
        raise DataProblem(f"{manifests.path_for(output)}: recipe: {where}: {fault['msg']}") from None


def _reading(data: Data, spool: Path) -> Reading:
    nulls = NULLS if data.null_values is None else tuple(data.null_values)
    return Reading(data.delimiter, data.encoding, data.header, nulls, skip_errors=True, spool=spool)


def _file(path: Path, reading: Reading) -> InputFile:
    """A file that faults call by its whole path: there are two of each name."""
    return InputFile(path, str(path), False, reading)


def _files(root: Path) -> dict[str, Path]:
    found = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.endswith(BESIDE))
    return {path.relative_to(root).as_posix(): path for path in found}


def _target(path: Path) -> Target | None:
    return "table" if table_suffix(path) in TABLES else "images" if path.suffix.lower() in IMAGES else None


def _shared_target(pair: Pair) -> Target | None:
    target = _target(pair.clean.path)
    return target if target == _target(pair.noisy.path) else None


def struck(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """Return the files that a run may have struck; all, where it struck none."""
    return [pair for pair in pairs if not pair.carried] or pairs
