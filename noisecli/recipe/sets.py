"""What a recipe has to say of sets of images."""

from noisecli.corruption import Target
from noisecli.recipe.models import ALONE, IMAGENET_C, Head
from noisecli.recipe.source import Source


def check_sets(source: Source, head: Head, target: Target) -> None:
    """Check that what is for images alone is said of these, and that sets of steps and severities are just that."""
    if target != "images" and head.encode != "struck":
        source.fault(("encode",), f"encode: {head.encode} is for images, this is for tables: leave it out", True)
    if target != "images" and head.data.provenance:
        what = "provenance is for images: say `source_row: true` for tables"
        source.fault(("data", "provenance"), what, True)
    if head.layout != IMAGENET_C:
        return
    if target != "images":
        source.fault(("layout",), f"layout: {IMAGENET_C} is for images: use copies or merged", True)
    elif (head.sweep or {}).keys() != {"steps", "severity"}:
        what = f"layout: {IMAGENET_C} has a folder for each step and severity, and nothing else"
        source.fault(("layout",), f"{what}: say `sweep: {{steps: {ALONE}, severity: [1, 2, 3, 4, 5]}}`", True)
    if head.copies > 1:
        source.fault(("layout",), f"layout: {IMAGENET_C} has no place for several copies: leave out `copies`", True)
