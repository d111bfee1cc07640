"""Code of the user's own: it runs only when that is allowed, and the manifest records which it was."""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from noisecli.corruptions.table.custom import load
from noisecli.errors import DataProblem, RecipeProblem, UsageProblem
from noisecli.recipe import Recipe


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
            digests[function] = _digest(function)
            if recorded is not None and recorded.get(function) != digests[function]:
                what = "its source is not the one that the manifest records"
                raise DataProblem(f"{function}: {what}: replay needs the same")
            load(function)
        except RecipeProblem as error:
            variant.source.fault(("steps", step.number, "function"), str(error))
        variant.source.raise_faults()
    return digests


def _digest(function: str) -> str:
    module = function.partition(":")[0]
    try:
        spec = importlib.util.find_spec(module)
    except (Exception, SystemExit) as error:  # a package above it was imported
        raise RecipeProblem(f"{function}: cannot be imported: {type(error).__name__}: {error}") from error
    if spec is None:
        raise RecipeProblem(f"{function}: cannot be imported: there is no module {module!r}")
    if spec.origin is None or not spec.origin.endswith(".py"):
        raise RecipeProblem(f"{function}: has no source that a manifest could record: call it from a module of yours")
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
