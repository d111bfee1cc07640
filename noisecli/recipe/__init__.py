"""The recipe: what a user writes in YAML, checked before any data is touched."""

from noisecli.recipe.checked import PlannedStep, Recipe, Variant
from noisecli.recipe.load import load
from noisecli.recipe.models import KEYWORDS, ByType, Head, TableStep
from noisecli.recipe.override import Override, parse_override
from noisecli.recipe.schema import schema

__all__ = [
    "KEYWORDS",
    "ByType",
    "Head",
    "Override",
    "PlannedStep",
    "Recipe",
    "TableStep",
    "Variant",
    "load",
    "parse_override",
    "schema",
]
