"""The catalogue of ops, read off their classes, and of the recipes that come with noisecli."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from noisecli.cli.show import as_json, table
from noisecli.corruption import (
    AnyImageCorruption,
    CellCorruption,
    Corruption,
    FileCorruption,
    ImageCorruption,
    ImageFileCorruption,
    TableCorruption,
    registered,
)
from noisecli.errors import UsageProblem
from noisecli.recipe import builtin
from noisecli.recipe.aliases import ALIASES, nearest, written_as
from noisecli.recipe.source import parse


def list_all(json: bool) -> None:
    """Print every op with its first line."""
    entries = [(target, family(op), name, op.summary()) for (target, name), op in registered().items()]
    if json:
        as_json([dict(zip(("target", "family", "name", "summary"), entry, strict=True)) for entry in entries])
        return
    for target in dict.fromkeys(entry[0] for entry in entries):
        rows = sorted((group, name, summary) for kind, group, name, summary in entries if kind == target)
        table(f"\nOn {target}", ["family", "op", "what it does"], rows)
    print("\n`noisecli ops NAME` explains one.")


def explain(name: str, json: bool) -> None:
    """Print everything about an op; a name may stand for one on tables and one on images."""
    found = [op for (_, known), op in registered().items() if known == name]
    if not found:
        instead = [said for target in ALIASES if (said := written_as(name, target))]
        near = nearest(name, sorted({n for _, n in registered()}))
        unknown = f"unknown op {name!r}{near} (`noisecli ops` lists them)"
        raise UsageProblem(instead[0] if instead else unknown)
    if json:
        as_json([describe(op) for op in found])
        return
    for op in found:
        _print(op)


def list_recipes(json: bool) -> None:
    """Print every built-in recipe with its first line."""
    entries = [_about(name) for name in builtin.names()]
    if json:
        as_json(entries)
        return
    table("", ["recipe", "on", "what it does"], [list(entry.values()) for entry in entries])
    print("\n`noisecli augment INPUT -r builtin:NAME -o OUTPUT` runs one; `noisecli recipes NAME` prints it.")


def print_recipe(name: str, json: bool) -> None:
    """Print the YAML of a built-in recipe as it stands; `builtin:` may stand before its name."""
    name = name.removeprefix(builtin.PREFIX)
    yaml = builtin.text(name)
    if json:
        as_json({**_about(name), "yaml": yaml})
    else:
        print(yaml, end="")


def _about(name: str) -> dict[str, str]:
    target = parse(builtin.text(name), name).data["target"]
    return {"name": name, "target": str(target), "summary": builtin.summary(name)}


def describe(op: type[Corruption]) -> dict[str, Any]:
    """Everything about an op, as data."""
    text, source, example = _docstring(op)
    schema = op.model_json_schema()
    result: dict[str, Any] = {
        "name": op.name,
        "target": op.target,
        "family": family(op),
        "description": text,
        "source": source,
        "example": example,
        "default_rate": op.default_rate,
        "parameters": {
            key: {
                "required": key in schema.get("required", ()),
                "default": field.get("default"),
                "choices": _choices(field),
                "description": " ".join(field.get("description", "").split()),
            }
            for key, field in schema.get("properties", {}).items()
        },
        "severities": [dict(row) for row in op.severities],
    }
    if op.package is not None:
        result["package"] = op.package
    if issubclass(op, TableCorruption) and op.strikes_columns:
        result["accepts"] = sorted(kind.value for kind in op.accepts)
    if issubclass(op, FileCorruption | ImageFileCorruption):
        result["breaks"] = op.breaks
    if issubclass(op, CellCorruption):
        result["fills_nulls"] = op.fills_nulls
    if issubclass(op, AnyImageCorruption):
        result["moves"] = op.model_construct().moves()
    if issubclass(op, ImageCorruption) and op.small_severities:
        result["severities_by_side"] = {size: [dict(row) for row in rows] for size, rows in op.small_severities.items()}
    return result


def _print(op: type[Corruption]) -> None:
    about = describe(op)
    package = f", from {about['package']}" if "package" in about else ""
    print(f"\n{about['name']} (on {about['target']}{package})\n\n{about['description']}\n")
    if "breaks" in about:
        print(f"what it breaks: {about['breaks']}\n")
    if "accepts" in about:
        print(f"columns: {', '.join(about['accepts'])}")
    if about.get("fills_nulls"):
        print("missing cells: struck, too, with `nulls: strike`")
    if about.get("moves"):
        print("moves what is in the picture: boxes and masks fit no more")
    print(f"rate when the step gives none: {about['default_rate']:g}")
    if about["parameters"]:
        rows = [[key, default_of(p), meaning_of(p)] for key, p in about["parameters"].items()]
        table("\nParameters", ["name", "default", "meaning"], rows)
    if about["severities"]:
        by_side = about.get("severities_by_side", {})
        _print_severities(
            "Severities" + (" from 224 px on (with `scale: none` at every size)" if by_side else ""),
            about["severities"],
        )
        for side, rows in sorted(by_side.items(), reverse=True):
            if rows != about["severities"]:
                _print_severities(f"At {side} px", rows)
    print(f"\nExample\n  - {about['example']}\n\nSource: {about['source']}")


def _print_severities(title: str, rows: Sequence[Mapping[str, float]]) -> None:
    print(f"\n{title}")
    for level, row in enumerate(rows, 1):
        print(f"  {level}  " + ", ".join(f"{key}: {value:g}" for key, value in row.items()))


def default_of(parameter: dict[str, Any]) -> str:
    """What a parameter is when a step does not give it, in words."""
    if parameter["required"]:
        return "required"
    return "-" if parameter["default"] is None else str(parameter["default"])


def _choices(field: dict[str, Any]) -> list[str]:
    """The words that a parameter, or an entry of a list, may be; numbers may be allowed besides."""
    parts = [field, field.get("items", {}), *field.get("anyOf", [])]
    return [choice for part in parts for choice in part.get("enum", [])]


def meaning_of(parameter: dict[str, Any]) -> str:
    """What a parameter means, and which words it may be."""
    said, choices = parameter["description"], parameter["choices"]
    if all(re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", said) for choice in choices):
        return str(said)
    return f"{said} Known: {', '.join(choice if choice[0].isalnum() else repr(choice) for choice in choices)}."


def family(op: type[Corruption]) -> str:
    """The module that an op stands in."""
    return op.__module__.rpartition(".")[2]


def _docstring(op: type[Corruption]) -> tuple[str, str, str]:
    doc = inspect.getdoc(op) or ""
    text, _, rest = doc.partition("\nSource:")
    source, _, example = rest.partition("\nExample:")
    return text.strip(), re.sub(r"\s+", " ", source).strip(), example.strip()
