"""YAML to plain data, with the place of every key and value, so that each fault can point at its line.

YAML 1.2: `no` is text and `1e-3` a number. Aliases are expanded up to a limit; duplicate keys are faults.
"""

import difflib
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from noisecli.errors import RecipeProblem
from noisecli.parameters import Scalar

Loc = tuple[str | int, ...]
"""Path of keys and indexes to a value."""

MAX_BYTES = 1 << 18
"""A recipe is read at some 30 us a byte."""
MAX_NODES = 50_000
MAX_DEPTH = 40
MOST_FAULTS = 100
LONGEST_NAME = 60
LONGEST_LINE = 160
LONGEST_MESSAGE = 1_000


@dataclass(frozen=True)
class Place:
    """Where something stands: `recipe.yaml:3:5`, or the option that set it."""

    source: str
    line: int = -1
    column: int = 0
    text: str = ""

    def show(self, message: str) -> str:
        """Render a message with its place, and the offending line under it."""
        message = shorten(message, LONGEST_MESSAGE)
        if self.line < 0:
            return f"{self.source}: {message}"
        head = f"{self.source}:{self.line + 1}:{self.column + 1}: {message}"
        start = max(0, self.column - LONGEST_LINE // 2) if len(self.text) > LONGEST_LINE else 0
        text = self.text[start : start + LONGEST_LINE]
        return f"{head}\n    {text}\n    {' ' * (self.column - start)}^" if text.strip() else head


@dataclass
class Source:
    """The data of a recipe, and where each part of it stands."""

    name: str
    data: Any
    keys: dict[Loc, Place] = field(default_factory=dict)
    values: dict[Loc, Place] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def fault(self, loc: Loc, message: str, at_key: bool = False) -> None:
        """Note a fault at a value, or at its key; a missing value is shown at what should hold it."""
        place = self.keys.get(loc) if at_key else None
        while place is None:
            place = self.values.get(loc, Place(self.name) if not loc else None)
            loc = loc[:-1]
        self.add(place.show(message))

    def add(self, fault: str) -> None:
        """Note a fault that says where it is; so many of them are enough."""
        self.faults.append(fault)
        if len(self.faults) >= MOST_FAULTS:
            self.faults.append(f"{self.name}: there may be more faults than these {MOST_FAULTS}")
            self.raise_faults()

    def raise_faults(self) -> None:
        """Raise all faults together, if there are any."""
        if self.faults:
            raise RecipeProblem("\n".join(dict.fromkeys(self.faults)))


def read(spec: str) -> Source:
    """Read a recipe file, or one key of it: `params.yaml#noise`."""
    name, _, key = spec.partition("#")
    try:
        with Path(name).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise RecipeProblem(f"{name}: no such recipe file") from None
    except IsADirectoryError:
        raise RecipeProblem(f"{name}: is a folder, not a recipe file") from None
    _refuse_large(len(raw), name)
    try:
        source = parse(raw.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        raise RecipeProblem(f"{name}: not UTF-8 text (byte {error.start})") from None
    return _section(source, key.split(".")) if key else source


def parse(text: str, name: str) -> Source:
    """Parse YAML text; `name` is what faults call it."""
    _refuse_large(len(text), name)
    if _nesting(text) > 5 * MAX_DEPTH:
        raise RecipeProblem(f"{name}: not valid YAML: nested too deeply")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # the last one before an alias counts
            root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(name, text.splitlines(), mark) if mark else Place(name)
        raise RecipeProblem(place.show(f"not valid YAML: {error.problem or error.context}")) from None
    except (YAMLError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise RecipeProblem(f"{name}: not valid YAML: {reason}") from None
    except (ValueError, OverflowError):
        raise RecipeProblem(f"{name}: not valid YAML: an escape like \\U stands for no character") from None
    if root is None:
        raise RecipeProblem(f"{name}: empty, a recipe needs at least `noisecli: 1` and `steps:`")
    builder = _Builder(name, text.splitlines())
    builder.source.data = builder.build(root, ())
    return builder.source


def _refuse_large(size: int, name: str) -> None:
    if size > MAX_BYTES:
        what = "too many for a recipe; long lists of words can stand in files of their own"
        raise RecipeProblem(f"{name}: more than {MAX_BYTES:,} bytes are {what}")


def from_data(data: Any, name: str) -> Source:
    """Wrap data that did not come from a file; faults name the path of keys instead of a line."""
    source = Source(name, data)

    def walk(value: Any, loc: Loc) -> None:
        source.values[loc] = source.keys[loc] = Place(".".join(map(str, (name, *loc))))
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            items = value.items()
        elif isinstance(value, list):
            items = enumerate(value)
        for key, item in items:
            walk(item, (*loc, key))

    walk(data, ())
    return source


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Suggest the nearest known word, or list them if they are few."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.55)
    near = near or [name for name in known if name.casefold() == word.casefold()]
    if near:
        return f"; did you mean {shorten(repr(near[0]))}?"
    names = [shorten(name if name.isprintable() else repr(name)) for name in known]
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """Cut a name that is too long for a message: the wrong encoding can make one of a whole file."""
    return name if len(name) <= longest else f"{name[: longest - 3]}..."


def _nesting(text: str) -> int:
    """How deep brackets go: the parser takes seconds to find out that it is too deep."""
    depth = most = 0
    for bracket in re.findall(r"[\[\]{}]|(?:- ){9}", text):
        depth += {"]": -1, "}": -1}.get(bracket, 1)
        most = max(most, depth)
    return most


class _Builder:
    def __init__(self, name: str, lines: list[str]) -> None:
        self.source = Source(name, None)
        self._lines = lines
        self._nodes = 0

    def build(self, node: Node, loc: Loc) -> Any:
        self._nodes += 1
        place = _place(self.source.name, self._lines, node.start_mark)
        if self._nodes > MAX_NODES or len(loc) > MAX_DEPTH:
            raise RecipeProblem(place.show("too deep or too large (aliases are expanded)"))
        self.source.values[loc] = place
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*loc, i)) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return _scalar(node)

    def _mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(self.source.name, self._lines, key_node.start_mark)
            if not isinstance(key_node, ScalarNode):
                self.source.add(place.show("a key must be plain text"))
                continue
            key = key_node.value
            if key in result:
                first = self.source.keys[*loc, key].line + 1
                self.source.add(place.show(f"duplicate key {key!r} (first in line {first})"))
                continue
            self.source.keys[*loc, key] = place
            result[key] = self.build(value_node, (*loc, key))
        return result


def _place(name: str, lines: list[str], mark: Any) -> Place:
    return Place(name, mark.line, mark.column, lines[mark.line] if mark.line < len(lines) else "")


INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


def _scalar(node: ScalarNode) -> Any:
    """Resolve a scalar by the core schema of YAML 1.2; dates stay text."""
    text: str = node.value
    if node.style in ("'", '"', "|", ">") or node.tag == "tag:yaml.org,2002:str":
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None if text in ("", "~") else Scalar(text, None)
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return Scalar(text, text.lower() == "true")
    if INTEGER.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        # Longer numbers are text: converting them takes quadratic time.
        return Scalar(text, int(text, base)) if len(text) < 400 else text
    if FLOAT.fullmatch(text) or text.lower() in SPECIAL:
        return Scalar(text, float(SPECIAL.get(text.lower(), text)))
    return text


def _section(source: Source, path: Sequence[str]) -> Source:
    loc: Loc = ()
    data = source.data
    for key in path:
        if not isinstance(data, dict) or key not in data:
            known = list(data) if isinstance(data, dict) else []
            raise RecipeProblem(f"{source.name}: no key {'.'.join(path)!r}{did_you_mean(key, known)}")
        data, loc = data[key], (*loc, key)
    depth = len(loc)

    def inside(places: dict[Loc, Place]) -> dict[Loc, Place]:
        return {place[depth:]: mark for place, mark in places.items() if place[:depth] == loc}

    return Source(source.name, data, inside(source.keys), inside(source.values), source.faults)
