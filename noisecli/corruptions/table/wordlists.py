"""Lists and tables of words, in files of the user's own."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from noisecli.errors import RecipeProblem

WordTable = Mapping[str, tuple[str, ...]]
"""What each word may become."""


def checked(table: WordTable) -> WordTable:
    """Return the table, or raise ValueError where it changes nothing."""
    if not table:
        raise ValueError("has no words")
    for word, news in table.items():
        if not word or not news or word in news:
            raise ValueError(f"{word!r} should become another word")
        if len(word.split()) != 1:
            raise ValueError(f"{word!r} is not one word")
    return table


@lru_cache
def word_list(name: str) -> tuple[str, ...]:
    """Read a file with a word on each line; raise RecipeProblem where it has none."""
    words = tuple(dict.fromkeys(line.strip() for line in _lines(name) if line.strip()))
    if not words:
        raise RecipeProblem(f"{name}: has no words")
    return words


@lru_cache
def replacements(name: str) -> WordTable:
    """Read a file with a word, a tab and what it becomes on each line; raise RecipeProblem where it has others."""
    table: dict[str, list[str]] = {}
    for number, line in enumerate(_lines(name), 1):
        if line.strip():
            word, tab, new = line.partition("\t")
            if not tab or "\t" in new:
                raise RecipeProblem(f"{name}: line {number}: should be a word, a tab, and what it becomes")
            table.setdefault(word, []).append(new)
    try:
        return checked({word: tuple(news) for word, news in table.items()})
    except ValueError as error:
        raise RecipeProblem(f"{name}: {error}") from None


def _lines(name: str) -> list[str]:
    try:
        return Path(name).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RecipeProblem(f"{name}: is not UTF-8 text") from None
