"""The JSON Schema of recipes, made from the same models that check them."""

from typing import Any

from noisecli.corruption import Corruption, registered
from noisecli.recipe.models import STEPS, Head


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe: each op's parameters with their units and bounds."""
    definitions: dict[str, Any] = {}
    head = _own(Head.model_json_schema(), definitions)
    for target, model in STEPS.items():
        definitions[_of(target)] = _own(model.model_json_schema(), definitions)
    head["properties"]["steps"] = {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [_step(op, definitions) for op in registered().values()]},
        "description": "Corruptions in the order in which they act.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "noisecli recipe",
        **head,
        "required": ["noisecli", "steps"],
        "$defs": definitions,
    }


def _of(target: str) -> str:
    """Under which name stands what the steps on a target have in common."""
    return f"{target}_step"


def _step(op: type[Corruption], definitions: dict[str, Any]) -> dict[str, Any]:
    common = {key: {"$ref": f"#/$defs/{_of(op.target)}/properties/{key}"} for key in STEPS[op.target].model_fields}
    parameters = _own(op.model_json_schema(), definitions)
    properties = {**common, **parameters.get("properties", {})}
    properties["op"] = {"const": op.name, "description": op.summary()}
    return {
        "title": f"{op.name} ({op.target})",
        "type": "object",
        "description": op.summary(),
        "properties": properties,
        "required": ["op", *parameters.get("required", [])],
        "additionalProperties": False,
    }


def _own(model: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    definitions.update(model.pop("$defs", {}))
    return model
