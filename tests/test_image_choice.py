"""Which images a step may strike: globs over their paths, and the folders that they lie in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import noisecli
from noisecli.errors import RecipeProblem
from noisecli.run import Outcome, augment

Command = Callable[..., Any]


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """40 cats, 20 dogs and 20 owls for training, and a cat and a fox for validation."""
    numbers = {"train/cats": 40, "train/dogs": 20, "train/Łoś": 20, "val/cats": 1, "val/foxes": 1}
    for folder, count in numbers.items():
        (tmp_path / "animals" / folder).mkdir(parents=True)
        for i in range(count):
            suffix = "png" if i % 2 else "jpg"
            Image.new("L", (8, 8), 90).save(tmp_path / "animals" / folder / f"{i:02}.{suffix}")
    return tmp_path / "animals"


def strike(source: Path, output: Path, **step: Any) -> Outcome:
    recipe = {"noisecli": 1, "seed": 4, "steps": [{"op": "gaussian_noise", "sigma": 0.2, **step}]}
    return augment(source, recipe, output, workers=1)


def struck(done: Outcome) -> set[str]:
    return {entry.path for entry in done.manifest.outputs if entry.drawn}


def counts(done: Outcome) -> Any:
    (step,) = done.manifest.steps
    return step.columns[""]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"classes": "cats"}, {f"train/cats/{i:02}" for i in range(40)}),
        ({"classes": ["dogs", "Ło\u015b"]}, {f"train/{name}/{i:02}" for name in ("dogs", "Łoś") for i in range(20)}),
        ({"classes": "Łos\u0301"}, {f"train/Łoś/{i:02}" for i in range(20)}),
        ({"files": "*/cats/*.jpg"}, {f"train/cats/{i:02}" for i in range(0, 40, 2)}),
        (
            {"files": ["*dogs/0*", "train/cats/0[12]*"]},
            {f"train/dogs/{i:02}" for i in range(10)} | {"train/cats/01", "train/cats/02"},
        ),
        ({"files": "*.png", "classes": "dogs"}, {f"train/dogs/{i:02}" for i in range(1, 20, 2)}),
    ],
)
def test_only_what_is_chosen_is_struck(animals: Path, tmp_path: Path, choice: Any, expected: set[str]) -> None:
    done = strike(animals, tmp_path / "out", **choice)
    assert {path.rpartition(".")[0] for path in struck(done)} == expected
    assert counts(done)["eligible"] == counts(done)["struck"] == len(expected)


def test_a_choice_changes_no_draw(animals: Path, tmp_path: Path) -> None:
    whole, cats = strike(animals, tmp_path / "a", rate=0.5), strike(animals, tmp_path / "b", rate=0.5, classes="cats")
    assert struck(cats) == {path for path in struck(whole) if "/cats/" in path}
    assert all((cats.output / path).read_bytes() == (whole.output / path).read_bytes() for path in struck(cats))


def test_an_exact_number_is_a_share_of_what_is_chosen(animals: Path, tmp_path: Path) -> None:
    done = strike(animals, tmp_path / "out", rate=0.3, exact=True, classes="cats")
    assert counts(done)["struck"] == len(struck(done)) == 12


@pytest.mark.parametrize(
    ("choice", "fault"),
    [
        ({"classes": "cat"}, r"no image that may be struck lies in a folder 'cat'; did you mean 'cats'\?"),
        ({"classes": "foxes"}, "no image that may be struck lies in a folder 'foxes'; known: cats, dogs, Łoś"),
        ({"files": ["*.jpg", "*.webp"]}, r"is at '\*\.webp': paths are like 'train/"),
        ({"files": "*cats*", "classes": "dogs"}, "in both `files` and `classes`"),
        ({"files": []}, "files"),
    ],
)
def test_a_choice_that_finds_nothing_is_refused(animals: Path, tmp_path: Path, choice: Any, fault: str) -> None:
    with pytest.raises(RecipeProblem, match=fault):
        strike(animals, tmp_path / "out", **choice)
    assert not (tmp_path / "out").exists()


def test_one_image_leaves_no_choice(animals: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeProblem, match="choose among images of a folder, and this is one: leave them out"):
        strike(animals / "train/cats/00.jpg", tmp_path / "out.jpg", classes="cats")
    recipe = {"noisecli": 1, "seed": 4, "steps": [{"op": "fog", "severity": 1, "files": "*"}]}
    with pytest.raises(RecipeProblem, match="and this is one"):
        noisecli.corrupt(np.zeros((9, 9, 3), np.uint8), recipe)


def test_a_preview_heeds_the_choice(animals: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("noisecli: 1\nseed: 1\nsteps:\n  - {op: fog, severity: 1, classes: dogs}\n", encoding="utf-8")
    shown = command("preview", animals, "-r", path, "-o", tmp_path / "sheet.png", "--json")
    assert shown.code == 0, shown.err
    assert shown.json["counts"][0]["struck"] == 20
