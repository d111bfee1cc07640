"""Make docs/catalogue.md and its pictures from the ops themselves: `make docs`. Tests hold that they are up to date.

What an op does is shown by running it: on docs/tiny.csv, or on one of the pictures.
"""

import csv
import io
import json
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from contact_sheets import by_severity, has_picture, sheet, tiles
from PIL import Image

import noisecli
from noisecli.cli.catalogue import default_of, describe, family, meaning_of
from noisecli.corruption import (
    Corruption,
    FileCorruption,
    JointCorruption,
    RowsCorruption,
    SamplingCorruption,
    registered,
)
from noisecli.parameters import plain
from noisecli.recipe.source import parse

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PAGE = DOCS / "catalogue.md"
PICTURES = DOCS / "images"
TINY = DOCS / "tiny.csv"
SEED = 7
PLURAL = {"table": "tables", "images": "images"}
LABEL = "species"
TINY_FILES = [f"{name}/{number}.png" for name in ("cat", "dog", "fox") for number in (1, 2)]
MOST_SHOWN = 5
"""Rows shown of an op, if it changed more."""

SHOWN_WITH: dict[str, dict[str, Any]] = {
    "change_sampling": {"every": 3},
    "clock_drift": {"ppm": 20_000},
    "counter_reset": {"chance": 0.2},
    "drift": {"slope": 0.1},
    "hysteresis": {"width": 2},
    "late_arrival": {"delay": 4},
    "magnitude_warp": {"spacing": 3},
    "merge_levels": {"columns": ["drug"], "levels": {"triptan": ["Zantac", "Zyrtec"]}},
    "monotone_missing": {"rate": 0.6},
    "prior_shift": {"shares": {"Chinstrap": 0.5}},
    "sample_and_hold": {"every": 3},
    "smooth": {"window": 3},
    "split_level": {"columns": ["city"], "levels": {"Lisbon": ["Lisbon North", "Lisbon South"]}},
    "stuck": {"mechanism": {"burst": {"length": 3}}},
    "time_warp": {"delay": 3, "spacing": 3},
    "truncated_tail": {"share": 0.3},
}
"""What an example says otherwise where it is shown on ten rows."""

HEAD = """# Catalogue of ops

<!-- Made by `make docs` from the classes of the ops; edit their docstrings, not this page. -->

Every op by what it acts on and by family: what it does, its parameters with units and defaults, its severities, what it
strikes, and what it made of [ten rows](tiny.csv) or of a [photograph](photographs/README.md). There the rate is at
least a half, since a tenth of ten rows is not much to look at. `noisecli ops NAME` tells the same in a terminal, with
`--json` to scripts. What every step may say besides, such as `rate`, `mechanism` and `where`, is in
[the recipe](recipe.md).
"""


def main() -> int:
    """Write the page and the pictures; remove pictures of ops that are gone."""
    os.chdir(ROOT)  # where the example of `custom` finds its function
    PICTURES.mkdir(exist_ok=True)
    made = pictures()
    for old in set(PICTURES.glob("op-*.jpg")) - {PICTURES / name for name in made}:
        old.unlink()
    for name, data in made.items():
        (PICTURES / name).write_bytes(data)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """Return the whole catalogue as Markdown."""
    parts = [HEAD]
    for target, ops in groupby(_ordered(), lambda op: op.target):
        listed = list(ops)
        parts += [f"## On {PLURAL[target]}\n", _contents(listed), *map(section, listed)]
    return "\n".join(parts)


def differences(written: str, made: str) -> list[str]:
    """Return the headings of the sections that are not in both pages, or not the same."""
    old, new = ({part.partition("\n")[0]: part for part in page.split("\n### ")} for page in (written, made))
    return sorted(heading for heading in old.keys() | new.keys() if old.get(heading) != new.get(heading))


def section(op: type[Corruption]) -> str:
    """Return what the catalogue says of one op."""
    about = describe(op)
    parts = [
        f"### {_title(op)}",
        about["description"],
        *([f"What it breaks: {about['breaks']}"] if "breaks" in about else []),
        " ".join(_strikes(about)),
        *_parameters(about),
        *_severities(about),
        f"```yaml\n- {about['example']}\n```",
        _picture(op) if has_picture(op) else demonstration(op),
        f"Source: {about['source']}",
    ]
    return "\n\n".join(parts) + "\n"


def _ordered() -> list[type[Corruption]]:
    own = [op for op in registered().values() if op.package is None]
    return sorted(own, key=lambda op: (op.target != "table", family(op), op.name))


def _title(op: type[Corruption]) -> str:
    """Return the heading of an op; where tables and images have one of the same name, it says which."""
    twice = sum(name == op.name for _, name in registered()) > 1
    return f"{op.name} on {op.target}" if twice and op.target != "table" else op.name


def link(op: type[Corruption], page: str = "") -> str:
    """Return a link to what the catalogue says of an op."""
    title = _title(op)
    return f"[{title}]({page}#{title.replace(' ', '-')})"


def _contents(ops: Sequence[type[Corruption]]) -> str:
    rows = []
    for name, members in groupby(ops, family):
        rows.append((name, ", ".join(map(link, members))))
    return table(("family", "ops"), rows) + "\n"


def _strikes(about: Mapping[str, Any]) -> Iterator[str]:
    yield f"On {PLURAL[about['target']]}, family {about['family']}."
    if "accepts" in about:
        yield f"Columns: {', '.join(about['accepts'])}."
    if about.get("fills_nulls"):
        yield "With `nulls: strike` missing cells, too."
    yield f"Rate when the step gives none: {about['default_rate']:g}."


def _parameters(about: Mapping[str, Any]) -> Iterator[str]:
    if about["parameters"]:
        rows = [(f"`{key}`", _code(default_of(p)), meaning_of(p)) for key, p in about["parameters"].items()]
        yield table(("parameter", "default", "meaning"), rows)


def _severities(about: Mapping[str, Any]) -> Iterator[str]:
    tables = {"": about["severities"], **about.get("severities_by_side", {})}
    for side, presets in tables.items():
        if presets:
            keys = list(dict.fromkeys(key for row in presets for key in row))
            rows = [(f"`{key}`", *(f"{row[key]:g}" if key in row else "" for row in presets)) for key in keys]
            yield table((f"severity at {side} px" if side else "severity", *"12345"), rows)


def _code(text: str) -> str:
    return text if text in ("-", "required") else f"`{text}`"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def demonstration(op: type[Corruption]) -> str:
    """Run an op on the tiny table, or on a few files, and show what came of it."""
    example = plain(parse(describe(op)["example"], "example").data)
    said = {"rate": op.default_rate, **example}
    step = {**said, "rate": max(said["rate"], 0.5), **SHOWN_WITH.get(op.name, {})}
    other = [f"`{key}: {json.dumps(value)}`" for key, value in step.items() if value != said.get(key)]
    with TemporaryDirectory() as folder:
        in_files = op.target == "images"
        clean = _write_images(Path(folder) / "clean") if in_files else _write_tiny(Path(folder) / "clean.csv", op, step)
        recipe = {"noisecli": 1, "seed": SEED, "purpose": "evaluate", "data": _roles(op), "steps": [step]}
        noisy = noisecli.augment(clean, recipe, clean.with_stem("noisy"), workers=1, allow_code=True).output
        shown = _shown(op, clean, noisy)
    return f"Here with {', '.join(other)}:\n\n{shown}" if other else shown


def _shown(op: type[Corruption], clean: Path, noisy: Path) -> str:
    if op.target == "images":
        listed = (sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png")) for root in (clean, noisy))
        return _before_and_after("Files", *map(" ".join, listed))
    if issubclass(op, FileCorruption):
        return _lines(clean.read_bytes(), noisy.read_bytes())
    before, after = (list(csv.reader(io.StringIO(path.read_text("utf-8"), ""))) for path in (clean, noisy))
    if issubclass(op, RowsCorruption | SamplingCorruption):
        return _before_and_after("Rows", *(" ".join(row[0] for row in table[1:]) for table in (before, after)))
    return _changed(before, after)


def _before_and_after(what: str, before: str, after: str) -> str:
    return f"{what} before and after:\n\n```text\n{before}\n{after}\n```"


def _write_images(folder: Path) -> Path:
    """Write small pictures of three classes, each of another brightness."""
    for i, name in enumerate(TINY_FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 20 * i).save(path)
    return folder


def _roles(op: type[Corruption]) -> dict[str, str]:
    if op.target == "images":
        return {}
    labelled = getattr(op, "softens", "") or op.name == "prior_shift"
    return {"id": "row", **({"label": LABEL} if labelled else {})}


def _write_tiny(path: Path, op: type[Corruption], step: Mapping[str, Any]) -> Path:
    """Write the columns of the tiny table that a step speaks of."""
    own = {key: value for key, value in step.items() if key in op.model_fields}
    read = op.model_validate(own).reads() if issubclass(op, JointCorruption) else ()
    names = dict.fromkeys(["row", *map(str, step.get("columns", ())), *read, *_roles(op).values()])
    if issubclass(op, FileCorruption):
        names = dict.fromkeys(["row", "name", *names, "height"])
    with TINY.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(names), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _changed(before: list[list[str]], after: list[list[str]]) -> str:
    """Return the first rows that an op changed, with the columns that it changed or added."""
    header, added = before[0], after[0][len(before[0]) :]
    pairs = list(zip(before[1:], after[1:], strict=True))
    at = [i for i in range(len(header)) if any(old[i] != new[i] for old, new in pairs)]
    places = [*at, *range(len(header), len(header) + len(added))]
    rows = [
        [old[0], *(_cell(old[i]) for i in at), *(_cell(new[i]) for i in places)]
        for old, new in pairs
        if old != new[: len(old)] or any(new[len(old) :])
    ]
    titles = ["row", *(f"{header[i]} before" for i in at), *(f"{header[i]} after" for i in at), *added]
    return table(titles, rows[:MOST_SHOWN])


def _cell(text: str) -> str:
    return f"`{_visible(text)}`" if text else "(missing)"


def _lines(before: bytes, after: bytes) -> str:
    """Return the first lines of a file that dirt changed, and one before them, with what cannot be seen spelt out."""
    old, new = (data.decode("utf-8", "backslashreplace").removesuffix("\n").split("\n") for data in (before, after))
    same = next(
        (i for i, pair in enumerate(zip(old, new, strict=False)) if len(set(pair)) > 1), min(len(old), len(new))
    )
    blocks = ["\n".join(map(_visible, lines[max(same - 1, 0) :][:MOST_SHOWN])) for lines in (old, new)]
    return f"Before:\n\n```text\n{blocks[0]}\n```\n\nAfter:\n\n```text\n{blocks[1]}\n```"


def _visible(text: str) -> str:
    """Spell out what has no picture of its own: controls, formats, marks, all spaces but the usual one."""
    hidden = ("Cc", "Cf", "Mn", "Zl", "Zp")
    return "".join(
        sign.encode("unicode_escape").decode()
        if unicodedata.category(sign) in hidden or (sign.isspace() and sign != " ")
        else sign
        for sign in text
    )


def pictures() -> dict[str, bytes]:
    """Return a contact sheet of every op on images."""
    return {_picture_name(op): sheet(tiles(op)) for op in _ordered() if has_picture(op)}


def _picture(op: type[Corruption]) -> str:
    clean, *noisy = tiles(op)
    what = "severities 1 to 5" if by_severity(op) else "five results that differ in the seed alone"
    same = [str(i) for i, tile in enumerate(noisy, 1) if np.array_equal(tile, clean)]
    left = f" Number {' and '.join(same)} leaves this picture as it is." if same else ""
    return f"![{op.name}: clean, then {what}](images/{_picture_name(op)})\n\nRow by row: clean, then {what}.{left}"


def _picture_name(op: type[Corruption]) -> str:
    return f"op-{op.name.replace('_', '-')}.jpg"


if __name__ == "__main__":
    sys.exit(main())
