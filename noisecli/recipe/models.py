"""What a recipe can say: roles, steps, and how steps choose."""

import codecs
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from noisecli.corruption import Target
from noisecli.parameters import Parameters
from noisecli.recipe.choosing import AskedMechanism, Choice, Pattern
from noisecli.recipe.conditions import Asking, Condition
from noisecli.recipe.dtypes import ColumnType, Dtype, SaidType
from noisecli.recipe.mechanisms import Mcar
from noisecli.where import Where

Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Severity = Annotated[int, Field(ge=0, le=5)]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class ByType(Parameters):
    """Select columns by type."""

    dtype: Dtype
    """Kind of column."""


Selector = str | ByType
_NAMES = BeforeValidator(_as_list, json_schema_input_type=str | list[str])
_ONE_OR_MORE = BeforeValidator(_as_list, json_schema_input_type=Selector | list[Selector])
KEYWORDS = ("numeric", "text", "category", "datetime", "all")
Encode = Literal["struck", "every", "exact"]

IMAGENET_C = "imagenet-c"

ALONE = "alone"
ROLES = ("label", "split", "id", "time", "entity")


def _is_trimmed(text: str) -> str:
    if text != text.strip(" \t"):
        raise ValueError(
            f"{text!r} can never be found, since blanks around a cell are not part of it: write {text.strip()!r}"
        )
    return text


NullSpelling = Annotated[str, AfterValidator(_is_trimmed)]


class Data(Parameters):
    """What certain columns are for, and how files of text are read.

    Columns with a role are struck only by a step that names them.
    """

    label: str | None = None
    """The column to be predicted."""
    split: str | None = None
    """The column that says train, val or test; under `purpose: train` only training rows are struck."""
    id: str | None = None
    """The column that identifies a row."""
    soft_labels: Literal["wide", "pair", "weighted"] = "wide"
    """How soft labels are written, which mixup and label_smoothing make. wide: a column more for each class,
    `LABEL__p__CLASS`, which add up to 1; pair: two more, `LABEL_b`, the other class, and `lambda`, the share of the own
    one; weighted: each row comes out once for every class that it is something of, with its share in one more,
    `sample_weight`."""
    source_row: bool = False
    """true: copies get a column more, `_source_row`: which row of the input file, from 0, a row comes from."""
    provenance: bool = False
    """true: the metadata of a folder of images get columns more, and are made where there are none: `_copy`, `_source`,
    the path of the image in the input, and `_steps`, those that changed it."""
    masks: Annotated[list[str], _NAMES] | None = None
    """Which pictures of a folder are masks, and carried as they are: globs over paths in the input, in which `*` stands
    for anything, `/` too; []: none is. When left out they are found by their names."""
    time: str | None = None
    """The column that says when."""
    entity: str | None = None
    """The column that says which device, patient or customer a row belongs to."""
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    """What separates the cells of a CSV file; found out when left out."""
    encoding: str | None = None
    """How the text of a file is encoded, such as latin-1; when left out UTF-8, or UTF-16 where the file says so."""
    header: bool = True
    """Whether a CSV file names its columns in the first row; if not they are called `#1`, `#2` and so on."""
    null_values: Annotated[list[NullSpelling], Field(min_length=1)] | None = None
    """Spellings of a missing cell in a CSV file; when left out the empty cell, NA, N/A, NaN, null, NULL and None."""
    types: dict[str, SaidType] = {}
    """Types of columns of a CSV file that are not what they look like, such as `{zip: text}`, or
    `{when: {dtype: date, format: "%d.%m.%Y"}}`."""

    @property
    def roles(self) -> dict[str, str]:
        """Columns by role."""
        named = {role: getattr(self, role) for role in ROLES}
        return {role: name for role, name in named.items() if name is not None}

    @property
    def column_types(self) -> dict[str, ColumnType]:
        """Types by column."""
        said = self.types.items()
        return {name: how if isinstance(how, ColumnType) else ColumnType(dtype=how) for name, how in said}

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str | None) -> str | None:
        try:
            return encoding and codecs.lookup(encoding).name
        except LookupError:
            raise ValueError(f"{encoding!r} is no encoding that Python knows, such as latin-1 or cp1252") from None


class Step(Parameters):
    """What every step has besides the parameters of its op."""

    op: str
    """Which corruption."""
    id: Annotated[str, Field(min_length=1)] | None = None
    """Names the step's random numbers; by default the op's name. A second step of the same op must give one."""
    rate: Rate | None = None
    """Share of eligible cells, words, rows or images struck, 0..1; the default is the op's."""
    severity: Severity | None = None
    """Preset 1..5 for the op's parameters, 0 for clean; never together with what it sets."""
    exact: bool | None = None
    """True: strike exactly round(rate * N) instead of each with probability `rate`; default for label ops."""


class TableStep(Step):
    """One op on some columns of a table."""

    columns: Annotated[list[Selector], Field(min_length=1), _ONE_OR_MORE] | None = None
    """Names, globs, {dtype: ...}, or numeric | text | category | datetime | all."""
    mechanism: AskedMechanism = Choice(mcar=Mcar())
    """How cells are chosen: mcar, {mar: {columns: ..., tail: upper}}, {mnar: {tail: upper}}, {burst: {length: ...}},
    {clustered: COLUMN} or {window: {from: ..., to: ...}}."""
    optional: bool = False
    """true: where a keyword, glob or type finds no column that the op can strike, the step is left out, with a warning;
    false: that is an error."""
    joint: bool = False
    """true: the same rows are struck in all columns of the step; false: each column has strikes of its own."""
    nulls: Literal["skip", "strike"] = "skip"
    """strike: cells that are missing may be struck, too, by ops that do not look at the old value; skip: they never
    are."""
    patterns: Annotated[list[Pattern], Field(min_length=1)] | None = None
    """Rows are struck, and each gets one of these sets of columns: [{columns: [a, b], weight: 2}, {columns: c}]."""
    where: dict[str, Asking] | None = None
    """Strike only rows whose clean cells are so: column to value, list of values, or {gt: 30}. All must hold; of the
    list under `any` one at least."""
    decimals: Literal["keep"] | Annotated[int, Field(ge=0, le=15)] = "keep"
    """keep: a new number in a CSV file has no more decimals than the column's others; else so many at the most, in any
    file."""

    @property
    def by_rows(self) -> bool:
        """Whether the same rows are struck in all columns."""
        return self.joint or self.patterns is not None

    def condition(self) -> Where | None:
        """Return what `where` asks for."""
        if not self.where:
            return None
        tests = [test for name, what in self.where.items() if isinstance(what, Condition) for test in what.tests(name)]
        either = [
            Where(tuple(test for name, what in conditions.items() for test in what.tests(name)))
            for alternatives in self.where.values()
            if not isinstance(alternatives, Condition)
            for conditions in alternatives
        ]
        return Where(tuple(tests), tuple(either))

    @field_validator("where")
    @classmethod
    def _lists_belong_to_any(cls, where: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if where == {}:
            raise ValueError("should name a column, such as {age: {gt: 30}}")
        for name, what in (where or {}).items():
            if isinstance(what, Condition) == (name == "any") or what == [] or {} in (what if name == "any" else ()):
                raise ValueError("`any:` takes a list of mappings, everything else is a column")
        return where


class ImageStep(Step):
    """One op on images; the rate is the share of images."""

    files: Annotated[list[str], Field(min_length=1), _NAMES] | None = None
    """Strike only these: globs over paths in the input, in which `*` stands for anything, `/` too."""
    classes: Annotated[list[str], Field(min_length=1), _NAMES] | None = None
    """Strike only images that lie in folders of these names."""

    scale: Literal["resolution", "none"] = "resolution"
    """resolution: a severity means the same on small and large images, interpolated between the tables published for
    32, 64 and 224 px; none: the table for 224 px as it stands."""


STEPS: dict[Target, type[Step]] = {"table": TableStep, "images": ImageStep}


class Head(Parameters):
    """All of a recipe but its steps."""

    noisecli: Literal[1]
    """Format of the recipe."""
    seed: Annotated[int, Field(ge=0, lt=2**64)] | None = None
    """Seed of every random number; left out: fresh entropy, printed and recorded."""
    purpose: Literal["train", "evaluate"] = "train"
    """train: validation and test data are carried untouched; evaluate: everything is struck."""
    copies: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many noisy copies."""
    target: Target | None = None
    """What the recipe is for; follows from the input when left out."""
    facts: str | None = None
    """A manifest, or its output, whose facts and quotas are used instead of those of the data."""
    data: Data = Data()
    """Roles of columns, and how files of text are read."""
    on_error: Literal["fail", "skip"] = "fail"
    """skip: rows that do not fit (CSV, JSON Lines) and images that cannot be read are carried and listed;
    fail: the run stops at the first one."""
    keep_original: bool = False
    """Write the clean data too, as `copy=0`."""
    layout: Literal["copies", "merged", "imagenet-c"] = "copies"
    """copies: one complete tree a copy, `copy=1/`; merged: all copies in one tree, with names that end in `__c1`;
    imagenet-c: one complete tree for each step and severity of a sweep, `gaussian_noise/1/`."""
    encode: Encode = "struck"
    """struck: images that no step strikes keep their bytes; every: they too are decoded and encoded again, so that what
    is clean has lost to the codec what is noisy has lost; exact: every image is written as PNG, which loses nothing."""

    sweep: dict[str, Annotated[list[str | float | int | bool], Field(min_length=1)] | Literal["alone"]] | None = None
    """Several runs in one: a dotted path such as `steps.typo.rate`, or `severity` for all steps, to the values it
    takes; every combination gets folders of its own. `steps: alone` applies each step to the clean data."""

    @field_validator("sweep")
    @classmethod
    def _can_be_swept(cls, sweep: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if sweep == {}:
            raise ValueError("should name what is swept, such as {steps.typo.rate: [0.1, 0.2]}")
        for key, values in (sweep or {}).items():
            if (key == "steps") != (values == ALONE):
                raise ValueError(f"{key!r}: `steps: alone` is one, every other key takes a list")
            if key not in ("steps", "severity") and not (key.startswith("steps.") and key.count(".") >= 2):
                raise ValueError(f"{key!r} cannot be swept; steps.ID.KEY and severity can")
            if key.rpartition(".")[2] in ("id", "op") or (key.startswith("steps.") and key.split(".")[1].isdigit()):
                raise ValueError(
                    f"{key!r} cannot be swept: name a step by its id, and a key of it beside `id` and `op`"
                )
            if key.endswith(".severity") and "severity" in (sweep or {}):
                raise ValueError(f"{key!r} and 'severity' set the same: give one of the two")
            if len({(type(value) is bool, value) for value in values}) < len(values) and values != ALONE:
                raise ValueError(f"{key!r}: a value is there twice")
        return sweep

    @property
    def written(self) -> list[int]:
        """Numbers of the copies; 0 is the clean data."""
        return [*([0] if self.keep_original else []), *range(1, self.copies + 1)]
