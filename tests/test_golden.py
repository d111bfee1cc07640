"""Golden digests: what every op makes of a small input stays the same from release to release.

A difference is a change of results that users will see. If it is wanted, refresh with `make golden` and say so in the
changelog. Distributions may change between versions of numpy (NEP 19) and codecs between versions of Pillow: the file
records the versions that it was made with, and a failure shows where they differ from the installed ones.
"""

import json

import pytest
from golden import DIGESTS, OPS, digest

from noisecli.manifest import environment

RECORDED = json.loads(DIGESTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", OPS)
def test_same_as_recorded(name, tmp_path):
    assert name in RECORDED["digests"], f"no golden digest of {name}: run `make golden` and commit the new entry"
    versions = {key: (old, environment().get(key)) for key, old in RECORDED["environment"].items()}
    differ = {key: pair for key, pair in versions.items() if pair[0] != pair[1]}
    made = digest(OPS[name], tmp_path)
    assert made == RECORDED["digests"][name], f"{name} gives another result; versions that differ: {differ}"


def test_nothing_is_left_over():
    assert set(RECORDED["digests"]) <= set(OPS), "entries of ops that are gone: run `make golden`"
