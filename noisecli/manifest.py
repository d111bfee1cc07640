"""The proof of a run: what was done to which bytes, enough to check it and to do it again.

A manifest holds no time, host or absolute path: two runs of one recipe on one input give the same bytes.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from PIL import features
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from noisecli import __version__, listing, streams
from noisecli.errors import DataProblem, SystemProblem, UsageProblem
from noisecli.facts import Facts
from noisecli.listing import InputEntry, OutputEntry, Sha256

SUFFIX = ".noisecli.json"
TRUTH = ".noisecli-truth.parquet"
INTERVALS = ".noisecli-intervals.parquet"
FILES = ".noisecli-files.parquet"
COMPANIONS = {"truth": TRUTH, "intervals": INTERVALS, "files": FILES}
"""How the names of companions end, by the key of the manifest that describes them."""
BESIDE = (*COMPANIONS.values(), SUFFIX)
"""How the names of all that may stand beside an output end."""

MOST_BYTES = 1 << 28
"""A larger file is no manifest: that of 10,000 images takes some 10 MB."""

MOST_LISTED = 10_000
"""A manifest with more files than these, read, written or skipped, keeps their lists in a companion."""

LIBRARIES = ("numpy", "orjson", "pillow", "pyarrow", "regex")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Companion(_Model):
    """A Parquet file that stands beside an output and its manifest."""

    sha256: Sha256
    bytes: int
    rows: int


class StepEntry(_Model):
    """What a step did, over all copies."""

    sweep: str | None = None
    """The variant of a sweep, as the folder of its copies."""
    id: str
    op: str
    rate: float
    exact: bool
    parameters: dict[str, Any]
    columns: dict[str, dict[str, int]]
    """Counts by column; "" for rows and images."""
    outgoing: dict[str, str] | None = None
    """Types of columns that become text because of the step, and of those that it adds."""
    pairs: bool | None = None
    """True: what a row gets depends on which other rows there are, since each has a partner among them."""
    transitions: dict[str, dict[str, dict[str, int]]] | None = None
    """How many changed cells of each category became each other one, by column; None for ops that do not tell."""
    rates: dict[str, float] | None = None
    """Expected share of each column, where patterns make it another than the rate, which is that of rows."""
    cer: dict[str, float] | None = None
    """Character error rate of each column of text: code points that were replaced, added or removed, as a share of all
    those in eligible cells."""


class Manifest(_Model):
    """Everything about a run."""

    format: Literal[1] = 1
    noisecli: str = __version__
    environment: dict[str, str]
    purpose: str
    seed: int
    rng: dict[str, Any]
    recipe: dict[str, Any]
    recipe_sha256: str
    inputs: list[InputEntry]
    facts: Facts
    steps: list[StepEntry]
    outputs: list[OutputEntry]
    skipped: list[dict[str, str]] = []
    warnings: list[str] = []
    code: dict[str, str] = {}
    """Functions of the user's own that steps ran, by SHA-256 of their modules' source: a replay depends on them."""
    read: dict[str, str] = {}
    """Files that steps read, as the recipe names them, by SHA-256: a replay needs the same."""
    truth: Companion | None = None
    """The cells that really changed."""
    intervals: Companion | None = None
    """From when to when steps struck that strike in runs, along series, or in a window."""
    files: Companion | None = None
    """Inputs, outputs and skipped files, where they are too many; `read` puts them back into their lists."""

    @model_validator(mode="after")
    def _lists_files_in_one_place(self) -> "Manifest":
        if self.files is not None and any(self.lists.values()):
            raise ValueError("lists files, and names a companion that lists them")
        if self.files is None and not self.outputs:
            raise ValueError("has no outputs")
        if self.files is None and not self.inputs:
            raise ValueError("has no inputs")
        return self

    @property
    def lists(self) -> dict[str, list[Any]]:
        """The lists of files, by their keys."""
        return {key: getattr(self, key) for key in listing.LISTS}

    def to_bytes(self) -> bytes:
        """Serialise with sorted keys; without the lists that stand in a companion."""
        elsewhere: dict[str, Any] = {} if self.files is None else {key: [] for key in listing.LISTS}
        data = self.model_copy(update=elsewhere).model_dump(mode="json", by_alias=True, exclude_none=True)
        return (json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


version = cache(metadata.version)
"""The installed version of a package; to read it takes a millisecond."""


def environment(packages: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions that may decide about bytes, those of some more packages too."""
    codecs = {name: features.version(name) or "none" for name in ("libjpeg_turbo", "zlib", "zlib_ng")}
    return {"python": platform.python_version(), **{name: version(name) for name in (*LIBRARIES, *packages)}, **codecs}


def require_packages(manifest: Manifest) -> None:
    """Refuse to go on without a package that an op of the run came with."""
    for name in sorted(manifest.environment.keys() - environment().keys()):
        try:
            version(name)
        except (metadata.PackageNotFoundError, ValueError):  # the latter where it has no name at all
            wanted = f"{name} {manifest.environment[name]}"
            raise SystemProblem(f"the run had an op of the package {wanted}, which is not installed here") from None


def rng() -> dict[str, Any]:
    """Describe the randomness."""
    return dict(streams.DESCRIPTION)


def recipe_digest(document: dict[str, Any]) -> str:
    """Digest a recipe in canonical form."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def beside(output: Path, suffix: str) -> Path:
    """Return the place beside an output where a file stands whose name ends so."""
    if output.name in ("", ".."):
        raise UsageProblem(
            f"{output}: has no name that a manifest beside it could bear: name the folder, as in ../noisy"
        )
    most = listing.LONGEST_NAME - len(suffix)
    if len(os.fsencode(output.name)) > most:
        raise UsageProblem(f"{output}: the name is too long: {suffix} comes after it, which leaves {most} bytes")
    return output.with_name(output.name + suffix)


def path_for(output: Path) -> Path:
    """Return where the manifest of an output stands."""
    return beside(output, SUFFIX)


def output_for(manifest: Path) -> Path:
    """Return the output that a manifest speaks of."""
    return manifest.with_name(manifest.name.removesuffix(SUFFIX))


def locate(given: Path) -> Path:
    """Find the manifest, given itself or its output."""
    path = given if given.name.endswith(SUFFIX) else path_for(given)
    if not path.is_file():
        if path != given and not given.exists():
            raise UsageProblem(f"{given}: no such output")
        above = next((path_for(folder) for folder in given.parents if folder.name and path_for(folder).is_file()), None)
        hint = f"; {above} speaks of all that is in its folder" if above is not None else ""
        if above is None and given.exists():
            hint = f"; {given} is no output of noisecli, or its manifest was left behind"
        raise UsageProblem(f"{path}: no such manifest{hint}")
    return path


def read(path: Path) -> Manifest:
    """Read a manifest, and its lists of files wherever they stand.

    It is data from outside, so everything in it is checked.
    """
    manifest, output = _read_alone(path), output_for(path)
    for fault in _check_lists(manifest, output):
        raise DataProblem(f"{fault}, so {path.name} cannot be read: put the list back that the run made")
    return _with_lists(manifest, output)


def _check_lists(manifest: Manifest, output: Path) -> list[str]:
    return [] if manifest.files is None else _compare(beside(output, FILES), manifest.files)


def _with_lists(manifest: Manifest, output: Path) -> Manifest:
    found = {} if manifest.files is None else listing.read(beside(output, FILES))
    return manifest.model_copy(update=found)


def _read_alone(path: Path) -> Manifest:
    if path.stat().st_size > MOST_BYTES:
        raise DataProblem(f"{path}: not a manifest: {path.stat().st_size:,} bytes are too many")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "the file"
        raise DataProblem(f"{path}: not a manifest of noisecli {__version__}: {where}: {fault['msg']}") from None
    if manifest.recipe_sha256 != recipe_digest(manifest.recipe) or manifest.seed != manifest.recipe.get("seed"):
        raise DataProblem(f"{path}: the recipe in it is not the one that was run")
    return manifest


def digest(path: Path) -> tuple[str, int]:
    """Return SHA-256 and size of a file."""
    with path.open("rb") as file:
        sha = hashlib.file_digest(file, "sha256").hexdigest()
        return sha, file.tell()


def describe(path: Path) -> Companion:
    """Describe a finished companion."""
    import pyarrow.parquet as pq

    sha, size = digest(path)
    with path.open("rb") as file:
        return Companion(sha256=sha, bytes=size, rows=pq.read_metadata(file).num_rows)


def place(root: Path, relative: str) -> Path:
    """Return where an entry of a manifest lies under a root."""
    return root if relative == "." else root / relative


def check(entries: Iterable[InputEntry], root: Path) -> list[str]:
    """Compare files with their entries; one line for each that is missing or differs, or that a link leads out to."""
    whole = os.path.realpath(root)

    @cache
    def leaves(path: Path) -> bool:
        return not Path(os.path.realpath(path)).is_relative_to(whole)

    faults = []
    for entry in entries:
        path = place(root, entry.path)
        out = path != root and (leaves(path.parent) or (path.is_symlink() and leaves(path)))
        faults += [f"{path}: missing"] if out else _compare(path, entry)
    return faults


def _compare(path: Path, entry: InputEntry | Companion) -> list[str]:
    if not path.is_file():
        return [f"{path}: missing"]
    same = digest(path) == (entry.sha256, entry.bytes)
    return [] if same else [f"{path}: differs from what the manifest says"]


def check_companions(manifest: Manifest, output: Path) -> list[str]:
    """Compare what stands beside an output with its manifest; one line for each that is not as it says."""
    faults = []
    for key, suffix in COMPANIONS.items():
        path, entry = beside(output, suffix), getattr(manifest, key)
        if entry is not None:
            faults += _compare(path, entry)
        elif path.exists():
            faults.append(f"{path}: is not in the manifest")
    return faults


def strangers(manifest: Manifest, output: Path) -> list[Path]:
    """Return the files and links in an output that its manifest does not know."""
    known = {entry.path for entry in manifest.outputs}
    others = (item for item in output.rglob("*") if item.relative_to(output).as_posix() not in known)
    return sorted(item for item in others if item.is_symlink() or not item.is_dir())


def verify(given: str | Path, source: str | Path | None = None) -> tuple[Manifest, list[str]]:
    """Re-hash an output, and the input if it is given.

    Args:
        given: an output, or its manifest.
        source: the input of that run.

    Returns:
        the manifest, and a line for every file, companions too, that is missing, differs, or is not in the manifest.
    """
    path = locate(Path(given))
    manifest, output = _read_alone(path), output_for(path)
    if not output.exists():
        return manifest, [f"{output}: missing: the run was not completed, or its output was removed"]
    unlisted = _check_lists(manifest, output)
    if unlisted:
        return manifest, unlisted
    manifest = _with_lists(manifest, output)
    faults = check(manifest.outputs, output)
    faults += [f"{item}: is not in the manifest" for item in strangers(manifest, output)]
    faults += check_companions(manifest, output)
    if source is not None:
        if not Path(source).exists():
            raise UsageProblem(f"{source}: no such file or folder")
        faults += [f"input {fault}" for fault in check(manifest.inputs, Path(source))]
    return manifest, faults
