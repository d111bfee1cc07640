"""The proof of a run: what was done to which bytes, enough to check it and to do it again.

A manifest holds no time, host or absolute path: two runs of one recipe on one input give the same bytes.
"""

import hashlib
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow.parquet as pq
from PIL import features
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
)

from noisecli import __version__, streams
from noisecli.columns import Kind
from noisecli.errors import DataProblem, UsageProblem

SUFFIX = ".noisecli.json"
TRUTH = ".noisecli-truth.parquet"
FILES = ".noisecli-files.parquet"
COMPANIONS = {"truth": TRUTH, "files": FILES}
"""How the names of companions end, by the key of the manifest that describes them."""
BESIDE = (*COMPANIONS.values(), SUFFIX)
"""How the names of all that may stand beside an output end."""

LIBRARIES = ("numpy", "orjson", "pillow", "pyarrow")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _File(_Model):
    path: str
    """Relative to INPUT or OUTPUT; "." is that file itself."""
    sha256: Sha256
    bytes: int
    rows: int | None = None

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if not path or path.startswith("/") or "\0" in path or ".." in path.split("/"):
            raise ValueError("must be a relative path that does not leave its folder")
        return path


class InputEntry(_File):
    """A file that was read."""


class OutputEntry(_File):
    """A file that was written."""

    input: str
    """The input file that it is a copy of."""
    copy_number: int = Field(alias="copy")
    content: str | None = None
    """Digest of the decoded cells or pixels; None where the file was carried, or its bytes are its content."""
    carried: bool = False
    """Copied byte for byte."""
    drawn: dict[str, Any] | None = None
    """What an image got, by step."""


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


Decimals = Annotated[int, Field(ge=0, le=1000)]


class ColumnFacts(_Model):
    """What the survey found of a column; see `noisecli.columns.Column`."""

    kind: Kind
    storage: str
    decimals: tuple[Decimals, Decimals] | None = None
    null: str = ""
    clean_text: bool = True
    mean: FiniteFloat | None = None
    sd: FiniteFloat | None = None
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    categories: tuple[bool | int | str, ...] | None = None


class QuotaFacts(_Model):
    """Up to which key an exact step strikes in each stratum of a copy."""

    sweep: str | None = None
    step: str
    column: str
    copy_number: int = Field(alias="copy")
    rate: float | None = None
    limits: tuple[Annotated[int, Field(ge=0, lt=2**64)] | None, ...]


class Facts(_Model):
    """What the survey found."""

    columns: dict[str, ColumnFacts] = {}
    quotas: list[QuotaFacts] = []


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
    outputs: list[OutputEntry] = Field(min_length=1)
    skipped: list[dict[str, str]] = []
    warnings: list[str] = []
    truth: Companion | None = None
    """The cells that really changed."""
    files: Companion | None = None
    """The lists of files, where they are too long for this manifest."""

    def to_bytes(self) -> bytes:
        """Serialise with sorted keys."""
        data = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return (json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def environment() -> dict[str, str]:
    """Return the versions that may decide about bytes."""
    codecs = {name: features.version(name) or "none" for name in ("libjpeg_turbo", "zlib", "zlib_ng")}
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}, **codecs}


def rng() -> dict[str, Any]:
    """Describe the randomness."""
    return dict(streams.DESCRIPTION)


def recipe_digest(document: dict[str, Any]) -> str:
    """Digest a recipe in canonical form."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def beside(output: Path, suffix: str) -> Path:
    """Return the place beside an output where a file stands whose name ends so."""
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
        raise UsageProblem(f"{path}: no such manifest")
    return path


def read(path: Path) -> Manifest:
    """Read a manifest; it is data from outside, so everything in it is checked."""
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
    sha, size = digest(path)
    with path.open("rb") as file:
        return Companion(sha256=sha, bytes=size, rows=pq.read_metadata(file).num_rows)


def place(root: Path, relative: str) -> Path:
    """Return where an entry of a manifest lies under a root."""
    return root if relative == "." else root / relative


def check(entries: Iterable[_File], root: Path) -> list[str]:
    """Compare files with their entries; one line for each that is missing or differs."""
    faults = []
    for entry in entries:
        path = place(root, entry.path)
        leaves = path.is_symlink() and not path.resolve().is_relative_to(root.resolve())
        faults += [f"{path}: missing"] if leaves else _compare(path, entry)
    return faults


def _compare(path: Path, entry: _File | Companion) -> list[str]:
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
    """Return the files in an output that its manifest does not know."""
    known = {place(output, entry.path) for entry in manifest.outputs}
    return [item for item in sorted(output.rglob("*")) if item.is_file() and item not in known]


def verify(given: Path, source: Path | None = None) -> tuple[Manifest, list[str]]:
    """Re-hash an output, and the input if it is given.

    Returns:
        the manifest, and a line for every file, companions too, that is missing, differs, or is not in the manifest.
    """
    path = locate(given)
    manifest, output = read(path), output_for(path)
    if not output.exists():
        return manifest, [f"{output}: missing: the run was not completed, or its output was removed"]
    faults = check(manifest.outputs, output)
    faults += [f"{item}: is not in the manifest" for item in strangers(manifest, output)]
    faults += check_companions(manifest, output)
    if source is not None:
        if not source.exists():
            raise UsageProblem(f"{source}: no such file or folder")
        faults += check(manifest.inputs, source)
    return manifest, faults
