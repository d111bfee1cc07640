"""What steps take from outside the recipe: the manifest records it, and code runs only when that is allowed."""

import hashlib
import importlib.util
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from noisecli.corruptions.table.custom import load
from noisecli.errors import DataProblem, RecipeProblem, UsageProblem
from noisecli.manifest import Manifest
from noisecli.recipe import PlannedStep, Recipe


@dataclass(frozen=True)
class Outside:
    """What steps take from outside the recipe, each with the SHA-256 of its content."""

    code: Mapping[str, str] = field(default_factory=dict)
    """Functions of the user's own, as "module:name"."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files, as the recipe names them."""


def packages(recipe: Recipe) -> set[str]:
    """Return the packages, besides those of noisecli, that ops need or come with."""
    ops = [step.corruption for step in recipe.steps_of_all]
    needed = {package for op in ops for package in op.packages()}
    return needed | {op.package for op in ops if op.package is not None}


def only_own_code(recipe: Recipe) -> bool:
    """Say whether no step runs code of a plug-in or of the user's own."""
    ops = [step.corruption for step in recipe.steps_of_all]
    return all(op.package is None and op.code() is None for op in ops)


def settle_outside(recipe: Recipe, allow_code: bool) -> Outside:
    """Read what the steps of a recipe take from outside, as `settle_code` and `settle_files` do."""
    return Outside(settle_code(recipe, allow_code), settle_files(recipe))


def settle_again(recipe: Recipe, allow_code: bool, recorded: Manifest, folder: Path) -> Outside:
    """Read it for a replay: it must be what the manifest records, whose folder this is.

    Who made the manifest may not be the user, so nothing but code that is allowed reads files from anywhere.
    """
    code = settle_code(recipe, allow_code, recorded.code)
    if not allow_code:
        homes = [os.path.realpath(home) for home in (folder, Path.cwd())]
        for name in sorted({name for v in recipe.variants for s in v.recipe.steps for name in _names(s)}):
            if not any(Path(os.path.realpath(name.replace("\0", ""))).is_relative_to(home) for home in homes):
                what = "the manifest names a file that is neither in its folder nor in this one"
                raise UsageProblem(f"{name}: {what}: --allow-code reads it")
    return Outside(code, settle_files(recipe, recorded.read))


def _names(step: PlannedStep) -> Iterable[str]:
    return step.corruption.files().values()


def settle_files(recipe: Recipe, recorded: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read the files that steps name.

    Returns:
        SHA-256 of each file, by its name.

    Raises:
        RecipeProblem: a file is not there, or not what the op wants.
        DataProblem: it is not the one that was recorded.
    """
    digests: dict[str, str] = {}
    seen: set[tuple[str, str, str]] = set()
    for variant, step in [(v.recipe, step) for v in recipe.variants for step in v.recipe.steps]:
        op = step.corruption
        for key, name in op.files().items():
            if (op.name, key, name) in seen:
                continue
            seen.add((op.name, key, name))
            try:
                digests[name] = _digest(name)
                if recorded is not None and recorded.get(name) != digests[name]:
                    raise DataProblem(f"{name}: is not the file that the manifest records: replay needs the same")
                op.read_file(key, name)
            except OSError as error:
                variant.source.fault(("steps", step.number, key), f"{name!r} cannot be read: {error.strerror}", True)
            except ValueError:  # it holds a zero byte
                variant.source.fault(("steps", step.number, key), f"{name!r} is no name of a file", True)
            except RecipeProblem as error:
                variant.source.fault(("steps", step.number, key), str(error), True)
        variant.source.raise_faults()
    return digests


def _digest(name: str) -> str:
    """SHA-256 of a file. What is none might be read for ever."""
    if not stat.S_ISREG(Path(name).stat().st_mode) and not Path(name).is_dir():
        raise RecipeProblem(f"{name!r} is no file")
    with Path(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle_code(recipe: Recipe, allowed: bool, recorded: Mapping[str, str] | None = None) -> dict[str, str]:
    """Import what the steps of a recipe run; nothing is imported unless that is allowed.

    Returns:
        SHA-256 of the source of each function's module, by function.

    Raises:
        UsageProblem: a step runs code, which is not allowed.
        RecipeProblem: the code cannot be imported, or there is no source of it.
        DataProblem: its source is not the one that was recorded; then it is not imported.
    """
    digests: dict[str, str] = {}
    for variant, step in [(v.recipe, step) for v in recipe.variants for step in v.recipe.steps]:
        function = step.corruption.code()
        if function is None or function in digests:
            continue
        if not allowed:
            raise UsageProblem(f"step {step.id!r} runs {function}, code that is not noisecli's: --allow-code allows it")
        try:
            digests[function] = hashlib.sha256(source_of(function).read_bytes()).hexdigest()
            if recorded is not None and recorded.get(function) != digests[function]:
                what = "its source is not the one that the manifest records"
                raise DataProblem(f"{function}: {what}: replay needs the same")
            load(function)
        except RecipeProblem as error:
            variant.source.fault(("steps", step.number, "function"), str(error))
        variant.source.raise_faults()
    return digests


def source_of(function: str) -> Path:
    """Return the file that holds the source of a function, given as "module:name".

    Raises:
        RecipeProblem: its module is not there, or there is no source of it.
    """
    module = function.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except (Exception, SystemExit) as error:  # a package above it was imported
        raise RecipeProblem(f"{function}: cannot be imported: {type(error).__name__}: {error}") from error
    if spec is None:
        raise RecipeProblem(f"{function}: cannot be imported: there is no module {module!r}")
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise RecipeProblem(f"{function}: has no source that a manifest could record: call it from a module of yours")
    return Path(spec.origin)
