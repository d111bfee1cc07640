"""YAML as people write it, that reads back as the very values, whatever the names of columns are."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WIDTH = 110
"""Columns of a line, where it can be broken."""

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[ ./-][A-Za-z0-9_]+)*")
"""Texts that need no quotes, unless they mean something else to some reader of YAML."""

WORDS_OF_YAML = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def scalar(value: Any) -> str:
    """Write one value."""
    if not isinstance(value, str):
        return json.dumps(value)
    if PLAIN.fullmatch(value) and value.lower() not in WORDS_OF_YAML:
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    number = ord(letter)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def flow(value: Any) -> str:
    """Write a value, a list or a mapping in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def entry(key: str, value: Any, indent: int) -> Iterator[str]:
    """Write a key and its value as lines; a list that is too long is broken between its items."""
    line = f"{' ' * indent}{key}: {flow(value)}"
    if len(line) <= WIDTH or not isinstance(value, list | tuple):
        yield line
        return
    yield f"{' ' * indent}{key}: ["
    held = ""
    for item in value:
        more = f"{flow(item)},"
        if held and indent + 3 + len(held) + len(more) > WIDTH:
            yield f"{' ' * (indent + 2)}{held}"
            held = ""
        held = f"{held} {more}" if held else more
    yield f"{' ' * (indent + 2)}{held}"
    yield f"{' ' * indent}]"


def step(op: str, settings: Mapping[str, Any]) -> list[str]:
    """Write a step of a recipe as an entry of a list, in one line if it fits."""
    line = f"  - {flow({'op': op, **settings})}"
    if len(line) <= WIDTH:
        return [line]
    return [f"  - op: {scalar(op)}", *(text for key, value in settings.items() for text in entry(key, value, 4))]


def disabled(lines: Sequence[str], indent: int = 2) -> list[str]:
    """Turn lines into comments that taking `# ` away turns back."""
    return [f"{line[:indent]}# {line[indent:]}" for line in lines]


def visible(text: str) -> str:
    """Write a text so that a comment can hold it: no line of it ends where the text says so."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def comment(text: str, indent: int = 0) -> list[str]:
    """Write a text as lines of comment."""
    mark = f"{' ' * indent}# "
    return textwrap.wrap(
        visible(text),
        WIDTH,
        initial_indent=mark,
        subsequent_indent=mark,
        break_on_hyphens=False,
        break_long_words=False,
    )
