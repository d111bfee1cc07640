"""The door for data in memory: the same recipe and seed give the same noise as through files."""

import operator
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from itertools import tee
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from noisecli import manifest as manifests
from noisecli import recipe as recipes
from noisecli.corruption import Pixels, Target
from noisecli.engine import ImageEngine, TableEngine, Tally
from noisecli.errors import DataProblem, NoiseWarning, UsageProblem
from noisecli.formats.arrays import NumpyImages, NumpyTable
from noisecli.formats.gathered import gather
from noisecli.formats.tables import ArrowTable, MemoryTable
from noisecli.parameters import plain
from noisecli.plan import Plan
from noisecli.recipe import Recipe
from noisecli.recipe.source import Loc
from noisecli.run import prepare
from noisecli.run.account import shortfalls
from noisecli.run.choose import settle_choosers
from noisecli.run.dirt import leave_dirt_out, refuse_dirt
from noisecli.run.facts import find_facts
from noisecli.run.joint import settle_covariances
from noisecli.run.outgoing import settle_outgoing, widenings
from noisecli.run.outside import settle_outside
from noisecli.run.pairing import columns_of_partners, with_partners
from noisecli.run.recorded import plan_from_facts
from noisecli.run.selection import concerned, left_out, select, spoken_of
from noisecli.survey import Request, Survey

if TYPE_CHECKING:
    import pandas as pd

N = TypeVar("N", bound=np.generic)

RecipeLike = str | Path | Mapping[str, Any]
"""A YAML file, `file#key`, or the recipe as a mapping."""


@overload
def corrupt(
    data: NDArray[N],
    recipe: RecipeLike,
    *,
    seed: int | None = None,
    severity: int | None = None,
    copy: int = 1,
    allow_code: bool = False,
) -> NDArray[N]: ...
@overload
def corrupt(
    data: "pd.DataFrame",
    recipe: RecipeLike,
    *,
    seed: int | None = None,
    severity: int | None = None,
    copy: int = 1,
    allow_code: bool = False,
) -> "pd.DataFrame": ...
@overload
def corrupt(
    data: pa.Table,
    recipe: RecipeLike,
    *,
    seed: int | None = None,
    severity: int | None = None,
    copy: int = 1,
    allow_code: bool = False,
) -> pa.Table: ...
def corrupt(
    data: Any,
    recipe: RecipeLike,
    *,
    seed: int | None = None,
    severity: int | None = None,
    copy: int = 1,
    allow_code: bool = False,
) -> Any:
    """Return a noisy copy of a table or of images in memory, with the noise that a single file of them would get.

    What no step struck is as it was: order and labels of columns, index, types, metadata, attributes. Rows that a step
    duplicates repeat their index labels. NaN, NaT and None count as missing. What the manifest of a file would have as
    warnings are `NoiseWarning`s here. `encode`, `keep_original`, `layout`, `on_error`, `data.masks` and
    `data.provenance`, which are about files, have no effect.

    Args:
        data: never changed. One of
            a pandas DataFrame; its columns go by their labels as text, or by position, as `#3`, where these are not
            unique; a column of int or bool that loses a cell comes back as Int64 or boolean, which can hold that;
            a pyarrow.Table;
            a numpy array of numbers, (rows, columns) or (rows,), as a table with columns `#1`, `#2` and so on;
            a numpy array of uint8 or uint16 as images: (height, width), (height, width, channels) with 1 or 3 channels,
            or 2 or 4 of which the last is alpha, carried; or a batch of them, (images, height, width, channels), in
            which image i is addressed as `str(i)`. A 2-D array is an image if the recipe says `target: images`, or if
            all its ops are for images only.
        recipe: a YAML file, `file#key`, `builtin:NAME`, or the recipe as a mapping.
        seed: replaces the recipe's, 0 .. 2^64 - 1; one of the two must be given.
        severity: replaces the severity of every step that has one, 0..5.
        copy: which of the recipe's `copies`, from 1.
        allow_code: let steps with `op: custom` import and run the functions that they name.

    Returns:
        the noisy copy, of the type of `data`.

    Raises:
        NoiseError: a fault of the recipe, the arguments or the data.

    Example:
        noisy = noisecli.corrupt(frame, {"noisecli": 1, "steps": [{"op": "missing", "columns": "age"}]}, seed=42)
    """
    checked = _load(recipe, _target(data), seed, severity)
    number = _settle_copy(copy, checked)
    settle_outside(checked, allow_code)
    strike = _strike_images if checked.target == "images" else _strike_table
    result, plan, tally = strike(checked, data, number)
    missed = left_out(checked, [plan]) if checked.target == "table" else []
    for line in [*missed, *widenings([plan]), *shortfalls(plan, tally)]:
        warnings.warn(line, NoiseWarning, stacklevel=2)
    return result


def _target(data: Any) -> Target | None:
    """What the data can be; None: the recipe decides."""
    if _reader(data) is not NumpyTable:
        return "table"
    if isinstance(data, np.ma.MaskedArray):
        raise DataProblem("a masked array is not taken: give array.filled(numpy.nan), in which NaN is missing")
    if data.ndim == 0:
        raise DataProblem("a numpy array without dimensions is neither a table nor an image")
    return "table" if data.ndim == 1 else None if data.ndim == 2 else "images"


def _load(recipe: RecipeLike, target: Target | None, seed: int | None, severity: int | None) -> Recipe:
    overrides: list[recipes.Override] = []
    if seed is not None:
        overrides = [("seed", int(seed) if isinstance(seed, np.integer) else seed, f"seed={seed}")]
    checked = recipes.load(recipe, target=target, overrides=overrides, severity=severity)
    if plain(checked.source.data.get("seed")) is None:
        raise UsageProblem("no seed: give `seed=`, or put `seed:` in the recipe; in memory nothing records a fresh one")
    if checked.sweep:
        what = (
            "a sweep makes many outputs, one is asked for: loop over its values here, or use noisecli.augment on files"
        )
        checked.source.fault(("sweep",), what, at_key=True)
        checked.source.raise_faults()
    return checked


def _settle_copy(copy: int, recipe: Recipe) -> int:
    try:
        number = operator.index(copy)
    except TypeError:
        number = 0
    if not 1 <= number <= recipe.head.copies:
        raise UsageProblem(f"copy={copy!r}: the recipe has copies 1 to {recipe.head.copies} (`copies:`)")
    return number


def _strike_table(recipe: Recipe, data: Any, copy: int) -> tuple[Any, Plan, Tally]:
    table = _reader(data)(data)
    columns = concerned(recipe, table.names)
    fields = table.fields(columns)
    _refuse_opaque(recipe, {*columns} - {*fields})
    plan = settle_outgoing(recipe, leave_dirt_out(_plan(recipe, table, fields), []), table.names)
    with TemporaryDirectory(prefix="noisecli-") as space:
        names = list(dict.fromkeys([*columns_of_partners(plan), *([plan.split] if plan.split else [])]))
        read = [("", ArrowTable(table.read(names)).slabs(table.rows))] if columns_of_partners(plan) else []
        plan = with_partners({"": plan}, read, fields, Path(space) / "partners")[""]
        engine = TableEngine(plan.without_dirt, copy, "")
        sound = plan.columns if recipe.head.facts is None else ()  # the survey has looked at them
        ours, theirs = tee(ArrowTable(table.read(plan.touched), sound).slabs(table.rows))
        noisy = gather(zip(engine(theirs), ours, strict=True), plan.outgoing)
    return table.replaced(noisy), plan, engine.tally


def _reader(data: Any) -> Callable[[Any], MemoryTable]:
    """What reads the data as a table."""
    if isinstance(data, pa.Table):
        return ArrowTable
    if isinstance(data, np.ndarray):
        return NumpyTable
    pandas = sys.modules.get("pandas")  # what is not imported has made no DataFrame
    if pandas is not None and isinstance(data, pandas.DataFrame):
        from noisecli.formats.frames import PandasFrame

        return PandasFrame
    kind = f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
    hint = "polars: give frame.to_arrow(); a file or folder: use noisecli.augment"
    raise UsageProblem(f"{kind} is not taken: give a pandas DataFrame, a pyarrow.Table or a numpy array ({hint})")


def _refuse_opaque(recipe: Recipe, opaque: Collection[str]) -> None:
    """Refuse the recipe where it names a column whose cells cannot be read."""
    named: list[tuple[Loc, str]] = list(spoken_of(recipe))
    for step in recipe.steps:
        named += [(("steps", step.number, "columns", k), str(name)) for k, name in enumerate(step.columns or ())]
    for loc, name in named:
        if name in opaque:
            what = "its cells are of several types, or of one that no step can replace"
            recipe.source.fault(loc, f"column {name!r} can only be carried: {what}; convert it, or leave it out here")
    recipe.source.raise_faults()


def _plan(recipe: Recipe, table: MemoryTable, fields: Mapping[str, pa.DataType]) -> Plan:
    selection = select(recipe, fields, "the data")
    prepare.check_reading(recipe)
    refuse_dirt(recipe, [])
    if recipe.head.facts is not None:
        facts = manifests.read(manifests.locate(Path(recipe.head.facts))).facts
        return plan_from_facts(recipe.variants[0], selection, fields, facts)

    def look(request: Request) -> Survey:
        survey = Survey.of(request, fields, as_text=False)
        survey.add_file("", ArrowTable(table.read(list(request.columns))).slabs(table.rows))
        return survey

    wanted = prepare.request(recipe, selection, fields)
    bare = prepare.plan_table(recipe, selection, find_facts(wanted, look))
    return settle_choosers([recipe], settle_covariances([bare], wanted, look), wanted, look)[0]


def _strike_images(recipe: Recipe, data: NDArray[Any], copy: int) -> tuple[NDArray[Any], Plan, Tally]:
    refuse_dirt(recipe, [])
    images = NumpyImages(data)
    addresses = images.addresses()
    plan = prepare.plan_images(recipe, addresses)
    prepare.refuse_sets(recipe, "images in memory have no folders")
    engine = ImageEngine(plan, copy)
    new: dict[int, Pixels] = {}
    for i, (address, pixels) in enumerate(zip(addresses, images.pixels(), strict=True)):
        steps = engine.strikes(address)
        try:
            new[i] = engine(address, pixels, steps).result
        except DataProblem as error:
            raise DataProblem(f"image {address}: {error}" if address else str(error)) from None
    return images.replaced(new), plan, engine.tally
