"""A recipe settled on a dataset: which columns each step strikes, with which facts and quotas."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from noisecli.columns import Column, widened
from noisecli.corruption import (
    BlockCorruption,
    CellCorruption,
    CloningCorruption,
    Corruption,
    FileCorruption,
    ImageCorruption,
    ImageFileCorruption,
    ImageLabelCorruption,
    JointCorruption,
    MixingCorruption,
    RowsCorruption,
    SeriesCorruption,
    TextCorruption,
)
from noisecli.mechanism import Chooser, Patterns, Runs, Span
from noisecli.partners import Pairing, Partners
from noisecli.quota import Quota
from noisecli.streams import Mask
from noisecli.where import Where

TRAINING = frozenset({"train", "training"})
"""Values of a split column, and folder names, that mean training data (in any case)."""

SOURCE_ROW = "_source_row"
"""The column that says which row of the input file a row comes from, from 0."""

QuotaKey = tuple[str, str, int]
"""(step id, column, copy)"""


def class_of(path: str) -> str:
    """Return the class of an image: the name of the folder that it lies in; "" if there is none, or it is a tar."""
    folder = path.rpartition("/")[0].rpartition("/")[2]
    return "" if folder.lower().endswith(".tar") else folder


def clone_address(address: str, step: str, number: int) -> str:
    """Return the address of a clone of an image; no path holds the separator."""
    return f"{address}\0{step}\0{number}"


def source_address(address: str) -> str:
    """Return the address of the image that one, clone or not, comes from."""
    return address.partition("\0")[0]


@dataclass(frozen=True)
class StepPlan:
    """One step, ready to act."""

    id: str
    corruption: Corruption
    rate: float
    exact: bool = False
    columns: tuple[str, ...] = ()
    """Columns to strike, in the input's order; empty for rows and images."""
    severity: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the recipe gives beside the severity; on images a severity is settled by their size."""
    scaled: bool = False
    files: tuple[str, ...] | None = None
    """Globs of the images that may be struck; None: all."""
    classes: tuple[str, ...] | None = None
    """Names of the folders in which these lie; None: any."""
    where: Where | None = None
    """Which rows may be struck; None: all."""
    within: str | None = None
    """Column in which a row and its partner agree; None: any row may be one."""
    decimals: int | None = None
    """Most decimals of a new number; None: those of the column."""
    joint: bool = False
    """Whether the same rows are struck in all columns."""
    nulls: bool = False
    """Whether missing cells may be struck."""
    patterns: Patterns | None = None
    """Which columns of a struck row are struck; None: all."""
    window: Span | None = None
    """Which rows may be struck, besides `where`; None: all."""
    covariances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Those of each struck column with all of them, where the op asks for them."""
    outgoing: Mapping[str, pa.DataType] = field(default_factory=dict)
    """Columns of a copy that have another type because of the step, and columns that it adds."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns whose clean cells the op looks at besides those that it strikes."""
        return self.corruption.reads() if isinstance(self.corruption, JointCorruption) else ()

    def unit(self, column: str) -> str:
        """Return what the strikes of a column are drawn for: itself, or "" for whole rows."""
        op = self.corruption
        together = isinstance(op, BlockCorruption | JointCorruption) and op.together
        return "" if self.joint or together else column

    def rate_of(self, column: str) -> float:
        """Return the expected share of the eligible cells of a column that is struck."""
        return self.rate if self.patterns is None else self.rate * self.patterns.share(column)

    def settle(self, column: Column) -> Column:
        """Return the column with the covariances and the decimals that it has in this step."""
        column = replace(column, covariances=self.covariances.get(column.name))
        if self.decimals is None or column.decimals is None:
            return column
        return replace(column, decimals=(min(column.decimals[0], self.decimals), self.decimals))

    @property
    def on_image_file(self) -> bool:
        """Whether it damages finished image files, which nobody decodes for that."""
        return isinstance(self.corruption, ImageFileCorruption)

    @property
    def on_image_set(self) -> bool:
        """Whether it decides which images come out, and in which classes; it changes none that was there."""
        return isinstance(self.corruption, CloningCorruption | ImageLabelCorruption)

    @property
    def needs_class(self) -> bool:
        """Whether only images that have a class may be struck."""
        return isinstance(self.corruption, MixingCorruption | ImageLabelCorruption)

    def admits(self, path: str) -> bool:
        """Say whether the image at a path may be struck."""
        if self.files is not None and not any(fnmatchcase(path, glob) for glob in self.files):
            return False
        return self.classes is None or class_of(path) in self.classes

    def at_size(self, side: float) -> tuple[ImageCorruption, float]:
        """Return the op and the rate for an image whose sides have the geometric mean `side`, in px."""
        assert isinstance(self.corruption, ImageCorruption)
        if self.severity is None or not self.scaled:
            return self.corruption, self.rate
        return _at_size(type(self.corruption), self.severity, json.dumps(self.parameters), side), self.rate


@lru_cache(maxsize=1024)
def _at_size(op: type[ImageCorruption], severity: int, parameters: str, side: float) -> ImageCorruption:
    preset = {key: value for key, value in op.preset_for(severity, side).items() if key != "rate"}
    return op.model_validate({**preset, **json.loads(parameters)})


@dataclass(frozen=True)
class SoftPlan:
    """Where soft labels go."""

    label: str
    """The column of the classes."""
    layout: str
    """wide: a column a class; pair: the other class and the share of the own; weighted: a row a class, and its
    weight."""
    number: int
    """Number of the last step that makes labels soft."""
    columns: tuple[str, ...] = ()
    """Those that are added."""

    def settle(self, column: Column) -> "SoftPlan":
        """Name the columns that are added, once the classes are known."""
        names = {"pair": (f"{self.label}_b", "lambda"), "weighted": ("sample_weight",)}
        classes = (str(v).lower() if isinstance(v, bool) else str(v) for v in column.categories or ())
        wide = tuple(f"{self.label}__p__{name}" for name in classes)
        return replace(self, columns=names.get(self.layout, wide))

    def types(self, column: Column) -> dict[str, pa.DataType]:
        """Types of the columns that are added."""
        known = {f"{self.label}_b": column.storage} if self.layout == "pair" else {}
        return {name: known.get(name, pa.float64()) for name in self.columns}


@dataclass(frozen=True)
class SeriesPlan:
    """Which rows of a file make a series."""

    entity: str | None
    """Column in which they agree; None: all do."""
    time: str | None
    """Column that must not decrease along a series; None: rows are in time order as they stand."""
    along: bool = True
    """Whether a step goes along series. False: they only matter where intervals are told."""
    told: bool = False
    """Whether intervals of struck rows are asked for."""

    @property
    def columns(self) -> list[str]:
        """Columns that have to be read."""
        return [name for name in (self.entity, self.time) if name is not None]


@dataclass(frozen=True)
class Plan:
    """All that a worker has to know."""

    seed: int
    steps: tuple[StepPlan, ...]
    columns: Mapping[str, Column] = field(default_factory=dict)
    """Every column that a step strikes or that decides who is struck."""
    quotas: Mapping[QuotaKey, Quota] = field(default_factory=dict)
    split: str | None = None
    """Column whose rows are held out unless it says train; None: all rows are training rows."""
    choosers: Mapping[tuple[str, str], Chooser] = field(default_factory=dict)
    """Mechanisms by step id and column, "" for rows; where there is none it is mcar."""
    partners: Partners | None = None
    """Where the rows are that others are paired with; None: no step pairs rows."""
    soft: SoftPlan | None = None
    """What becomes of labels that steps make soft; None: none does."""
    series: SeriesPlan | None = None
    """What makes a series; None: it matters to no step."""
    source_row: bool = False
    """Whether copies get the column SOURCE_ROW."""

    @cached_property
    def outgoing(self) -> Mapping[str, pa.DataType]:
        """Columns of a copy that have not the input's type, and, after all others, those that the input does not have.

        What the input has is widened: its cells are text from the first step on. What becomes of a slab has cells for
        each of these columns, whether or not a step changed any.
        """
        added = {SOURCE_ROW: pa.int64()} if self.source_row else {}
        return {name: type_ for step in self.steps for name, type_ in step.outgoing.items()} | added

    @cached_property
    def working(self) -> Mapping[str, Column]:
        """The columns as steps work on them: with cells as text where they are widened."""
        return {name: widened(c) if name in self.outgoing else c for name, c in self.columns.items()}

    def chooser(self, step: StepPlan, column: str) -> Chooser | None:
        """Return the mechanism by which a step chooses in a column; None: mcar."""
        return self.choosers.get((step.id, step.unit(column)))

    def runs(self, step: StepPlan, column: str) -> Runs | None:
        """Return the runs in which a step strikes rows of series; None: it does not choose so.

        Runs of so many rows, where there are no entities, are those of the rows of a file, unless a step is about
        series in any case.
        """
        chooser = self.chooser(step, column)
        if self.series is None or not isinstance(chooser, Runs):
            return None
        of_file = self.series.entity is None and not chooser.in_time
        return None if of_file and not isinstance(step.corruption, SeriesCorruption) else chooser

    @cached_property
    def dirt(self) -> Mapping[int, StepPlan]:
        """Steps on the finished file, by number: the last ones."""
        steps = enumerate(self.steps)
        return {number: step for number, step in steps if isinstance(step.corruption, FileCorruption)}

    @property
    def without_dirt(self) -> "Plan":
        """What precedes the steps on the finished file."""
        return replace(self, steps=tuple(step for i, step in enumerate(self.steps) if i not in self.dirt))

    @property
    def lined_up(self) -> bool:
        """Whether rows have to be lined up by the series that they belong to."""
        return self.series is not None and (self.series.along or self.series.told)

    @property
    def whole_files(self) -> bool:
        """Whether a step has to see all of a block, or of a series, so that a file cannot be shared out."""
        return self.lined_up or any(isinstance(step.corruption, BlockCorruption) for step in self.steps)

    @property
    def by_column(self) -> bool:
        """Whether what becomes of a column does not depend on what becomes of others, and no row moves."""
        alone = all(isinstance(step.corruption, CellCorruption | TextCorruption) for step in self.steps)
        return alone and self.soft is None and not self.lined_up and not self.outgoing

    def striking(self, columns: Collection[str]) -> "Plan":
        """Return a plan that does the same to some columns, and nothing to others."""
        own = [replace(step, columns=tuple(name for name in step.columns if name in columns)) for step in self.steps]
        units = {(step.id, step.unit(name)) for step in own for name in step.columns}
        choosers = {unit: chooser for unit, chooser in self.choosers.items() if unit in units}
        return replace(self, steps=tuple(step for step in own if step.columns), choosers=choosers)

    def lasts(self, step: StepPlan) -> bool:
        """Whether what a step strikes are faults that last, of which intervals tell."""
        if step.rate == 0 or isinstance(step.corruption, FileCorruption):
            return False
        runs = any(isinstance(chooser, Runs) for (name, _), chooser in self.choosers.items() if name == step.id)
        return runs or step.window is not None or isinstance(step.corruption, SeriesCorruption)

    def telling(self) -> "Plan":
        """Return the plan of a run that tells the intervals of what lasts."""
        told = self.series is not None and any(map(self.lasts, self.steps))
        return replace(self, series=replace(self.series, told=True)) if told and self.series else self

    @property
    def scatters(self) -> bool:
        """Whether rows may come out at other places of their file."""
        steps = ((step.corruption, step.rate) for step in self.steps)
        return any(isinstance(op, RowsCorruption) and op.scatters() and rate > 0 for op, rate in steps)

    def pairing(self, step: StepPlan, unit: str) -> Pairing:
        """Say what the partners of a step have to be, for one of its columns or, "", for whole rows."""
        softens = isinstance(step.corruption, JointCorruption) and bool(step.corruption.softens)
        label = self.soft.label if self.soft is not None and softens else None
        return step.within, unit or label

    @property
    def touched(self) -> list[str]:
        """Columns to be read."""
        struck = [name for step in self.steps for name in step.columns]
        asked = [name for step in self.steps if step.where for name in step.where.columns]
        asked += [name for step in self.steps if step.window for name in step.window.reads]
        asked += [name for chooser in self.choosers.values() for name in chooser.reads]
        asked += [name for step in self.steps for name in step.reads]
        asked += [self.soft.label] if self.soft else []
        asked += self.series.columns if self.series and self.lined_up else []
        return list(dict.fromkeys([*struck, *asked, *([self.split] if self.split else [])]))


def training_rows(split: pa.Array) -> Mask:
    """Which rows a split column calls training data; a null is held out."""
    values = split.cast(pa.string()) if not pa.types.is_string(split.type) else split
    distinct = values.dictionary_encode()
    known = np.array([str(v).strip().lower() in TRAINING for v in distinct.dictionary.to_pylist()] + [False])
    codes = distinct.indices.fill_null(len(distinct.dictionary)).to_numpy(zero_copy_only=False)
    return np.asarray(known[codes], dtype=bool)
