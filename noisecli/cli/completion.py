"""What a shell offers when Tab is pressed, besides commands, options and files: ops, and recipes that come along."""

import os
import re
from textwrap import shorten

_after_colon = False


def ops() -> list[tuple[str, str]]:
    """Offer the names of ops, each with what it does."""
    from noisecli.corruption import registered

    return list({n: (n, shorten(op.summary(), 60)) for (_, n), op in registered().items()}.values())


def built_in() -> list[tuple[str, str]]:
    """Offer the names of built-in recipes, each with what it does."""
    from noisecli.recipe import builtin

    return [(name, shorten(builtin.summary(name), 60)) for name in builtin.names()]


def recipes(incomplete: str) -> list[tuple[str, str]]:
    """Offer `builtin:NAME` once that is begun; before, and for all else, shells offer files."""
    if _after_colon:
        return built_in()
    begun = len(incomplete) > 1 and incomplete.startswith("builtin:"[: len(incomplete)])
    return [(f"builtin:{name}", said) for name, said in built_in()] if begun else []


def mend_colons() -> None:
    """Bash takes `builtin:NAME` for three words, and completes the third: leave it the only one."""
    global _after_colon
    if os.environ.get("_NOISECLI_COMPLETE") != "complete_bash":
        return
    words = " ".join(os.environ.get("COMP_WORDS", "").split()[: int(os.environ.get("COMP_CWORD", "0")) + 1])
    mended, count = re.subn(r"(?<= )builtin : ?(\S*)$", r"\1", words)
    _after_colon = count > 0
    if _after_colon:
        os.environ.update(COMP_WORDS=mended, COMP_CWORD=str(mended.count(" ")))
