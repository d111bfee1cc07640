"""From a dataset to the text of a recipe that runs on it as it stands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from noisecli.errors import DataProblem, NoiseError, SystemProblem
from noisecli.recipe import Recipe
from noisecli.run import inspect
from noisecli.starter import header, pictures, themes
from noisecli.starter.draft import Columns, Draft, written
from noisecli.starter.enough import with_enough
from noisecli.starter.look import look_at_tables, open_input
from noisecli.starter.roles import find_roles

SCHEMA = "noisecli.schema.json"
"""Name of the schema beside a recipe, for editors."""

MODELINE = f"# yaml-language-server: $schema={SCHEMA}"


@dataclass(frozen=True)
class Starter:
    """A recipe, and what to do with it."""

    text: str
    """The YAML."""
    output: str
    """A name that fits what it makes of the input."""
    shown: str
    """What of it a report shows: all, or the last result of a sweep."""

    def commands(self, source: str, recipe: str) -> list[str]:
        """What to do with it next, as a shell takes it, given the names of the input and of the recipe."""
        return header.commands(source, recipe, self.output, self.shown)


def start(source: Path, theme: str | None = None) -> Starter:
    """Write a starter recipe for a dataset: weak noise that fits its columns, with comments.

    The same input and theme give the same text. Of a large input an excerpt is looked at.

    Args:
        source: a CSV, JSON Lines, Parquet or Arrow file, an image, or a folder of them.
        theme: what the noise imitates: sensors, survey, ocr, typing or robustness; None: a bit of all that happens to
            such data.

    Raises:
        DataProblem: the input cannot be read, or holds nothing that the theme is for.
        UsageProblem: there is no such input.
    """
    with TemporaryDirectory(prefix="noisecli-") as space:
        folder = Path(space)
        opened = open_input(source, folder / "excerpt")
        if opened.dataset.target == "images":
            look = pictures.look_at_images(opened)
            offered: Mapping[str, Callable[[], Draft]] = {
                "": lambda: pictures.mix(look),
                "robustness": pictures.robustness,
            }
            draft = _drafted(offered, theme, opened.name)
            lines = header.for_images(look, draft)
            lines += _steps(draft, None)
        else:
            (folder / "spool").mkdir()
            table = look_at_tables(opened, folder / "spool")
            columns = Columns(table, find_roles(table))
            every = {"": themes.mix, **themes.THEMES}
            draft = _drafted({name: _bound(make, columns) for name, make in every.items()}, theme, opened.name)
            lines = header.for_tables(columns, draft)
            lines += _steps(draft, columns)
        text = "\n".join([MODELINE, *lines, ""])
        tried = _tried(text, folder, opened.excerpt.root)
        output = header.output_for(opened, draft)
        return Starter(text, output, (PurePosixPath(output) / tried.variants[-1].folder).as_posix())


def _bound(make: Callable[[Columns], Draft], columns: Columns) -> Callable[[], Draft]:
    return lambda: with_enough(make(columns), columns)


def _drafted(offered: Mapping[str, Callable[[], Draft]], theme: str | None, name: str) -> Draft:
    """Draft the recipe of a theme, or say which themes fit."""
    make = offered.get(theme or "")
    draft = make() if make is not None else Draft([])
    if draft.steps:
        return draft
    fitting = [other for other, drafted in offered.items() if other and drafted().steps]
    if not fitting:
        raise DataProblem(f"{name}: holds no column that a starter recipe would strike")
    instead = f"themes that fit: {', '.join(fitting)}"
    if theme is None:
        raise DataProblem(f"{name}: holds nothing that a mixed recipe is for; {instead}")
    raise DataProblem(f"--for {theme}: {name} holds nothing that it is for; {instead}")


def _steps(draft: Draft, columns: Columns | None) -> list[str]:
    lines = ["steps:"]
    for group in draft.groups:
        if group.steps:
            lines += [f"  # --- {group.title} ---", *(line for step in group.steps for line in written(step, columns))]
            lines.append("")
    return lines[:-1]


def _tried(text: str, folder: Path, excerpt: Path) -> Recipe:
    """Try the recipe on what was looked at, and return it."""
    recipe = folder / "recipe.yaml"
    recipe.write_text(text, encoding="utf-8")
    try:
        return inspect(excerpt, recipe).recipe
    except NoiseError as error:
        told = str(error).replace(f"{recipe}:", "line ")
        raise SystemProblem(
            f"the recipe made for this data does not fit it; this is a bug, please report it: {told}"
        ) from None
