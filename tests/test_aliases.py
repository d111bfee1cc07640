"""Names that the field knows for an op with a fixed parameter or mechanism lead to what to write."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noisecli.corruption import registered
from noisecli.errors import RecipeProblem
from noisecli.recipe import load
from noisecli.recipe.aliases import ALIASES
from noisecli.recipe.source import parse

DOCUMENTATION = Path(__file__).parents[1] / "docs/recipe.md"
NAMES = [(target, name) for target, names in ALIASES.items() for name in names]

every_name = pytest.mark.parametrize(("target", "name"), NAMES)


@every_name
def test_the_fault_of_a_recipe_and_of_the_catalogue_say_what_to_write(
    target: Any, name: str, command: Callable[..., Any]
) -> None:
    with pytest.raises(RecipeProblem, match=f"no op is called {name!r}: write") as fault:
        load({"noisecli": 1, "steps": [{"op": name}]}, target=target)
    assert ALIASES[target][name] in str(fault.value)
    shown = command("ops", name)
    if any(op == name for _, op in registered()):
        assert shown.out.startswith(f"\n{name} (on ")  # on the other kind of data it is one
    else:
        assert shown.code == 2
        assert "write {op: " in shown.err


@every_name
def test_what_to_write_is_right_and_documented(target: Any, name: str) -> None:
    assert (target, name) not in registered()
    instead = ALIASES[target][name]
    step = dict(parse(instead, "alias").data)
    if target == "table" and step["op"] not in ("drop", "late_arrival", "change_sampling"):
        step["columns"] = "a"
    assert load({"noisecli": 1, "seed": 1, "steps": [step]}, target=target).steps
    assert f"| `{name}` | `{instead}` |" in DOCUMENTATION.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ElasticTransform", "write {op: elastic}"),
        ("CoarseDropout", "write {op: cutout, holes: 8, size: 0.1}"),
        ("RandomGrayscale", "write {op: saturate, factor: 0, offset: 0}"),
        ("ISONoise", "did you mean 'iso_noise'?"),
        ("RandomSunFlare", "did you mean 'sun_flare'?"),
        ("random_fog", "did you mean 'fog'?"),
    ],
)
def test_names_as_other_packages_spell_them_lead_to_ours(name: str, said: str) -> None:
    with pytest.raises(RecipeProblem) as fault:
        load({"noisecli": 1, "steps": [{"op": name}]}, target="images")
    assert said in str(fault.value)
