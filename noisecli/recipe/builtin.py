"""Recipes that come with noisecli: files in the folder `recipes`, whose first line says in a comment what they do."""

from importlib import resources

from noisecli.errors import RecipeProblem
from noisecli.recipe.source import did_you_mean

PREFIX = "builtin:"
"""`builtin:NAME` stands for such a file, wherever a recipe is asked for."""

_FOLDER = resources.files("noisecli") / "recipes"


def names() -> list[str]:
    """Return the names of all built-in recipes, sorted."""
    return sorted(file.name.removesuffix(".yaml") for file in _FOLDER.iterdir() if file.name.endswith(".yaml"))


def text(name: str) -> str:
    """Return the YAML of a built-in recipe, comments and all.

    Raises:
        RecipeProblem: there is none of this name.
    """
    known = names()
    if name not in known:
        raise RecipeProblem(f"no built-in recipe {name!r}{did_you_mean(name, known)} (`noisecli recipes` lists them)")
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def summary(name: str) -> str:
    """Return the line that says what a built-in recipe does."""
    return text(name).partition("\n")[0].removeprefix("# ")
