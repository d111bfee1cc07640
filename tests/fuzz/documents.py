"""Manifests, edited by someone who wishes no good: other values, other keys, other bytes, and hashes that fit them."""

import json
import random
import shutil
import tempfile
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fuzz.mutate import PLAIN
from fuzz.seeds import seeds

from noisecli import manifest as manifests
from noisecli.run import augment

TABLE = {
    "noisecli": 1,
    "seed": 1,
    "data": {"label": "c"},
    "copies": 2,
    "steps": [
        {"op": "gaussian_noise", "columns": "x", "where": {"n": {"gt": 3}}},
        {"op": "label_flip"},
        {"op": "typo", "columns": "y", "rate": 0.5},
        {"op": "duplicate", "rate": 0.1},
    ],
}
IMAGES = {"noisecli": 1, "seed": 3, "steps": [{"op": "cutout", "rate": 0.5}, {"op": "brightness", "severity": 2}]}

VALUES: list[Any] = [
    *(None, True, 0, -1, 1, 2, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, -1e-308),
    *("", ".", "..", "/", "../x", "/etc/passwd", "/dev/zero", "a/../../x", "a\0b", "a\nb", "x" * 300, "x" * 100_000),
    *("é", "e\u0301", "\u202e", "=1+1", "os:system", "-", "all", "*", "[", "(a+)+$", "0" * 64, "f" * 64),
    *([], [None], [[]], ["x"], ["x", "x"], {}, {"": None}, {"a": {}}, {"gt": "x"}, {"matches": "(("}),
    {"op": "custom", "function": "os:system"},
]
"""What may stand in the place of anything."""


@cache
def _made() -> tuple[Path, ...]:
    """Folders with an input, an output and its manifest; some have companions."""
    root = Path(tempfile.mkdtemp())
    for name, recipe in (("t.csv", TABLE), ("t.parquet", TABLE), ("images", IMAGES), ("listed", IMAGES)):
        folder = root / name
        source = folder / f"in{Path(name).suffix}"
        if Path(name).suffix:
            folder.mkdir(parents=True)
            source.write_bytes(seeds(Path(name).suffix)[0])
        else:
            source.mkdir(parents=True)
            for i in range(3):
                (source / f"{i}.png").write_bytes(seeds(".png")[0])
        with pytest.MonkeyPatch.context() as patch:
            if name == "listed":
                patch.setattr("noisecli.manifest.MOST_LISTED", 1)
                patch.setattr("noisecli.run.account.manifests.MOST_LISTED", 1)
            augment(source, recipe, folder / "out", truth=name == "t.csv")
    return tuple(root / name for name in ("t.csv", "t.parquet", "images", "listed"))


def sound(folder: Path, which: int) -> tuple[Path, Path, set[str]]:
    """Put a good input, output and manifest into a folder; return the first two, and the names of all."""
    good = _made()[which % len(_made())]
    shutil.copytree(good, folder, dirs_exist_ok=True)
    return next(folder.glob("in*")), folder / "out", {path.name for path in folder.iterdir()}


def damaged(output: Path, which: int) -> None:
    """Damage the manifest of an output, or a companion of it."""
    rng = random.Random(f"manifest {which}")
    path = manifests.path_for(output)
    companion = manifests.beside(output, manifests.FILES)
    draw = rng.random()
    if draw < 0.15:
        path.write_bytes(rng.choice(PLAIN)(bytearray(path.read_bytes()), rng))
        return
    data = json.loads(path.read_bytes())
    if draw < 0.3 and companion.exists():
        companion.write_bytes(rng.choice(PLAIN)(bytearray(companion.read_bytes()), rng))
        sha, size = manifests.digest(companion)
        data["files"] |= {"sha256": sha, "bytes": size}
    for _ in range(rng.choice([1, 1, 2, 5])):
        _edit(data, rng)
    if rng.random() < 0.8 and isinstance(data.get("recipe"), dict):
        data["recipe_sha256"] = manifests.recipe_digest(data["recipe"])
        data["seed"] = data["recipe"].get("seed")
    path.write_text(json.dumps(data, ensure_ascii=rng.random() < 0.5), encoding="utf-8", errors="surrogatepass")


def _edit(data: Any, rng: random.Random) -> None:
    """Change one value somewhere, or a key."""
    often = [name for name in ("recipe", "facts") if name in data]
    holder, key = data, rng.choice(often * 8 + list(data))
    while isinstance(holder.get(key) if isinstance(holder, dict) else holder[key], dict | list):
        inner = holder[key]
        if not inner or rng.random() < 0.05:
            break
        holder, key = inner, rng.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
    match rng.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[str(rng.choice(VALUES))[:300]] = deepcopy(holder[key])
        case 2 if isinstance(holder, list):
            holder.extend(deepcopy(holder * rng.choice([1, 50])))
        case _:
            holder[key] = deepcopy(rng.choice(VALUES))
