"""What a recipe has to say of sets of images."""

from collections.abc import Sequence

from noisecli.corruption import (
    CloningCorruption,
    ImageFileCorruption,
    ImageLabelCorruption,
    MixingCorruption,
)
from noisecli.recipe.checked import PlannedStep, Recipe
from noisecli.recipe.models import ALONE, IMAGENET_C, Head
from noisecli.recipe.source import Source

_NO_STEPS = {"clean": "the clean data", ".": "the output itself", "..": "what holds the output"}
"""What lies in folders that no step can have."""


def check_sets(source: Source, recipe: Recipe) -> None:
    """Check that what is for images alone is said of these, and that sets of steps and severities are just that."""
    head, target = recipe.head, recipe.target
    if target != "images" and head.encode != "struck":
        source.fault(("encode",), f"encode: {head.encode} is for images, this is for tables: leave it out", True)
    if target == "images" and head.data.source_row:
        source.fault(("data", "source_row"), "source_row is for tables: say `provenance: true` for images", True)
    if target != "images" and head.data.provenance:
        what = "provenance is for images: say `source_row: true` for tables"
        source.fault(("data", "provenance"), what, True)
    if target != "images" and head.data.masks is not None:
        source.fault(("data", "masks"), "masks are pictures, this is for tables: leave it out", True)
    if target == "images" and head.data.split is not None:
        what = "split is a column of tables; of images folders say it, such as val/: leave it out"
        source.fault(("data", "split"), what, True)
    if head.layout != IMAGENET_C:
        return
    if target != "images":
        source.fault(("layout",), f"layout: {IMAGENET_C} is for images: use copies or merged", True)
    elif (head.sweep or {}).keys() != {"steps", "severity"}:
        what = f"layout: {IMAGENET_C} has a folder for each step and severity, and nothing else"
        source.fault(("layout",), f"{what}: say `sweep: {{steps: {ALONE}, severity: [1, 2, 3, 4, 5]}}`", True)
    if head.copies > 1:
        source.fault(("layout",), f"layout: {IMAGENET_C} has no place for several copies: leave out `copies`", True)
    for i, step in enumerate(recipe.steps):
        if step.id in _NO_STEPS:
            what = f"layout: {IMAGENET_C} names a folder after each step, and {step.id!r} is {_NO_STEPS[step.id]}"
            source.fault(("steps", i, "id"), f"{what}: use another `id`")


def check_image_steps(source: Source, head: Head, steps: Sequence[PlannedStep | None]) -> None:
    """Check the order of steps on sets of images, and that soft labels have steps and fit their layout."""
    cloning, mixing = "", 0
    for i, step in enumerate(steps):
        if step is None:
            continue
        op = step.corruption
        mixing += isinstance(op, MixingCorruption)
        if isinstance(op, ImageLabelCorruption) and "scale" in step.settings.model_fields_set:
            source.fault(("steps", i, "scale"), f"op {op.name!r} changes no pixels: it takes no 'scale'", True)
        if isinstance(op, CloningCorruption):
            cloning = step.id
            if step.exact and step.settings.exact:
                source.fault(("steps", i, "exact"), f"op {op.name!r} takes no 'exact': say a rate", True)
        elif cloning and not isinstance(op, ImageFileCorruption):
            what = "clones are copies of what all other steps have made"
            source.fault(("steps", i), f"step {step.id!r} must stand before {cloning!r}: {what}")
    soft = head.data.soft_labels
    if "soft_labels" not in head.data.model_fields_set or None in steps:
        return
    if not mixing:
        source.fault(("data", "soft_labels"), "no step makes labels soft: add mixup or cutmix, or leave it out", True)
    elif mixing and soft == "weighted":
        what = "a row for each class would name an image several times, which readers of folders refuse"
        source.fault(("data", "soft_labels"), f"soft_labels: {what}: use wide or pair")
    elif mixing > 1 and soft == "pair":
        source.fault(("data", "soft_labels"), "soft_labels: a pair has no third class: use wide")
