"""What replaces values of a recipe before it is checked: options of the command line, and levels of a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

from noisecli.errors import RecipeProblem
from noisecli.parameters import plain
from noisecli.recipe import source as sources
from noisecli.recipe.source import Loc, Place, Source, did_you_mean

Override = tuple[str, Any, str]
"""Dotted path, value, and the option that said so: ("steps.names.rate", 0.2, "--set steps.names.rate=0.2")."""


def parse_override(text: str) -> Override:
    """Read `path=value`, the value being YAML."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise RecipeProblem(f"--set {text}: must be path=value, as in steps.typo.rate=0.2")
    option = f"--set {text}"
    return path, sources.parse(value, option).data if value.strip() else None, option


def override(source: Source, path: str, value: Any, option: str) -> None:
    """Set the value at a dotted path; a step is named by its id, its op, or its number from 0."""
    parts, holder = path.split("."), source.data
    loc: Loc = ()
    for depth, part in enumerate(parts):
        key: Any = part
        if isinstance(holder, list):
            key = _find_step(holder, part) if loc == ("steps",) else int(part) if part.isdigit() else None
            if key is None or not 0 <= key < len(holder):
                source.faults.append(f"{option}: {_not_found(holder, part)}")
                return
        elif not isinstance(holder, dict):
            source.faults.append(f"{option}: {'.'.join(parts[:depth])} has no keys")
            return
        loc = (*loc, key)
        if depth == len(parts) - 1:
            holder[key] = value
            for places in (source.keys, source.values):
                for inner in [place for place in places if place[: len(loc)] == loc]:
                    del places[inner]
            source.keys[loc] = source.values[loc] = Place(option)
        else:
            holder = holder[key] if isinstance(holder, list) else holder.setdefault(key, {})


def _find_step(steps: Sequence[Any], name: str) -> int | None:
    for called in (name_of, _op_of):
        found = [i for i, step in enumerate(steps) if isinstance(step, dict) and called(step) == name]
        if len(found) == 1:
            return found[0]
    return int(name) if name.isdigit() else None


def _not_found(steps: Sequence[Any], name: str) -> str:
    names = [name_of(step) for step in steps if isinstance(step, dict)]
    several = name in [_op_of(step) for step in steps if isinstance(step, dict)]
    numbered = "say which by its id, or its number from 0"
    return f"several steps are {name!r}: {numbered}" if several else f"no step {name!r}{did_you_mean(name, names)}"


def _op_of(step: Mapping[str, Any]) -> str:
    return str(plain(step.get("op")))


def set_severity(source: Source, severity: int, option: str, only: str | None = None) -> None:
    """Set the severity of every step, or of one by its id; a fault where a step has none."""
    for i, step in enumerate(raw_steps(source)):
        if not isinstance(step, dict) or only not in (None, name_of(step)):
            continue
        if "severity" not in step:
            source.fault(("steps", i), f"{option} needs steps with a severity; step {name_of(step)!r} has none")
        else:
            step["severity"] = severity
            source.values["steps", i, "severity"] = Place(f"{option} {severity}")


def raw_steps(source: Source) -> list[Any]:
    """Return the steps as they were given; none where there is no list of them."""
    steps = source.data.get("steps")
    return steps if isinstance(steps, list) else []


def name_of(step: Mapping[str, Any]) -> str:
    """Return the id of a step as it was given, by default its op."""
    return str(plain(step.get("id") or step.get("op") or "?"))
