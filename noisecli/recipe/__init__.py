"""The recipe: what a user writes in YAML, checked before any data is touched."""

from noisecli.recipe.load import load
from noisecli.recipe.models import KEYWORDS, ByType, Head, PlannedStep, Recipe, TableStep, Variant
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
