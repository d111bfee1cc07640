"""The contracts: what an op is given and what it gives back. One base class a kind, one registry for all.

An op is a frozen set of parameters (a pydantic model) and one pure function. It never handles rate, seed, nulls,
types, files or progress: the engine does. To add an op, write a class with `@register` in a module under
`noisecli/corruptions/`; the command line, the schema, the documentation and the tests find it there.

    class            gets                                         gives
    CellCorruption   the struck values of one column              as many new values
    MomentCorruption the struck dates or times of one column      as many new ones
    TextCorruption   struck cells, words or characters of a text  spans and what replaces them
    JointCorruption  the struck rows of several columns           as many new cells of each
    BlockCorruption  the struck rows of a whole block             as many new ones
    SeriesCorruption some series of numbers in time order         as many new numbers
    RowsCorruption   which rows are struck                        how often each row comes out, and where
    SamplingCorruption  some series in time order                 which rows are left out if they are struck
    RecordCorruption struck rows of a finished CSV file, as text  as many other rows
    SpellingCorruption  struck numbers of one, as text            other spellings
    SheetCorruption  its header and footer                        what becomes of it
    ImageCorruption  the pixels of one struck image               new pixels
    AdditiveCorruption  the pixels of one struck image            the noise to be added to them
    MixingCorruption the pixels of one struck image, and of another  new pixels, and the share of its own
    CloningCorruption  the pixels of a clone of a struck image    new pixels
    ImageLabelCorruption  the classes of struck images            other classes
    ImageFileCorruption  the bytes of one struck image's file     other bytes
"""

import importlib
import pkgutil
import re
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import TypeVar

from noisecli.corruption.additive import AdditiveCorruption
from noisecli.corruption.base import Corruption, Preset, Target
from noisecli.corruption.file import (
    Damage,
    FileCorruption,
    RecordCorruption,
    Records,
    Sheet,
    SheetCorruption,
    SpellingCorruption,
)
from noisecli.corruption.image import (
    AnyImageCorruption,
    CloningCorruption,
    ImageCorruption,
    ImageFileCorruption,
    ImageLabelCorruption,
    MixingCorruption,
)
from noisecli.corruption.rows import RowsCorruption
from noisecli.corruption.series import SamplingCorruption, Series, SeriesCorruption
from noisecli.corruption.table import (
    BlockCorruption,
    CellCorruption,
    JointCorruption,
    MomentCorruption,
    MomentTextCorruption,
    NumberCorruption,
    Rows,
    TableCorruption,
    TextCorruption,
)
from noisecli.errors import SystemProblem
from noisecli.pixels import Pixels

__all__ = [
    "AdditiveCorruption",
    "AnyImageCorruption",
    "BlockCorruption",
    "CellCorruption",
    "CloningCorruption",
    "Corruption",
    "Damage",
    "FileCorruption",
    "ImageCorruption",
    "ImageFileCorruption",
    "ImageLabelCorruption",
    "JointCorruption",
    "MixingCorruption",
    "MomentCorruption",
    "MomentTextCorruption",
    "NumberCorruption",
    "Pixels",
    "Preset",
    "RecordCorruption",
    "Records",
    "Rows",
    "RowsCorruption",
    "SamplingCorruption",
    "Series",
    "SeriesCorruption",
    "Sheet",
    "SheetCorruption",
    "SpellingCorruption",
    "TableCorruption",
    "Target",
    "TextCorruption",
    "find_op",
    "plugins",
    "register",
    "registered",
]

ENTRY_POINTS = "noisecli.corruptions"

C = TypeVar("C", bound=type[Corruption])
_registry: dict[tuple[str, str], type[Corruption]] = {}
_loaded = False


def register(cls: C) -> C:
    """Make an op available to recipes under its class name in snake case."""
    cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
    if (cls.target, cls.name) in _registry:
        raise ValueError(f"the {cls.target} op {cls.name} is registered twice")
    _registry[cls.target, cls.name] = cls
    return cls


def registered() -> dict[tuple[str, str], type[Corruption]]:
    """All ops by (target, name), sorted: the built-in ones and those of installed plug-ins."""
    global _loaded
    if not _loaded:
        _loaded = True
        package = importlib.import_module("noisecli.corruptions")
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        for plugin in plugins():
            _load(plugin)
    return dict(sorted(_registry.items()))


def find_op(target: str, name: str) -> type[Corruption] | None:
    """Return an op; None: there is no such.

    Without plug-ins only modules that have a class of that name are imported: all of them take 0.1 s.
    """
    homes = _homes()
    if plugins() or not homes:
        return registered().get((target, name))
    for module in homes.get(name.replace("_", ""), ()):
        importlib.import_module(module)
    return _registry.get((target, name))


@cache
def plugins() -> EntryPoints:
    """Return the plug-ins that are installed."""
    return entry_points(group=ENTRY_POINTS)


@cache
def _homes() -> dict[str, list[str]]:
    """The modules of ops by the names of their classes, in lower case; none where the source is not there."""
    homes: dict[str, list[str]] = {}
    root = Path(__file__).parents[2]
    for path in root.glob("noisecli/corruptions/**/*.py"):
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for name in re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            homes.setdefault(name.lower(), []).append(module)
    return homes


def _load(plugin: EntryPoint) -> None:
    package = plugin.module if plugin.dist is None else plugin.dist.name
    try:
        plugin.load()
    except Exception as error:
        raise SystemProblem(
            f"the plug-in {package} cannot be loaded: {type(error).__name__}: {error}; mend it or uninstall it"
        ) from error
    for op in _registry.values():
        if f"{op.__module__}.".startswith(f"{plugin.module}."):
            op.package = package
