"""Code of the user's own: it runs only when that is allowed, and the manifest records which it was."""

import hashlib
import importlib
import inspect
from pathlib import Path

from noisecli.corruptions.table.custom import load
from noisecli.errors import RecipeProblem, UsageProblem
from noisecli.recipe import Recipe


def settle_code(recipe: Recipe, allowed: bool) -> dict[str, str]:
    """Import what the steps of a recipe run; nothing is imported unless that is allowed.

    Returns:
        SHA-256 of the source of each function's module, by function.

    Raises:
        UsageProblem: a step runs code, which is not allowed.
        RecipeProblem: the code cannot be imported, or there is no source of it.
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
        except RecipeProblem as error:
            variant.source.fault(("steps", step.number, "function"), str(error))
        variant.source.raise_faults()
    return digests


def _digest(function: str) -> str:
    load(function)
    module = importlib.import_module(function.partition(":")[0])
    try:
        source = inspect.getsourcefile(module)
    except TypeError:
        source = None
    if source is None:
        raise RecipeProblem(f"{function}: has no source that a manifest could record: call it from a module of yours")
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()
