"""A package with an op of its own: installed, used from the command line, and named in the manifest."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "examples/plugin"
PAGE = ROOT / "docs/add-an-op.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plug-in, the samples and the examples; the package is built from a copy of its source."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source")
    for name in ("sample_data", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *arguments: str, site: bool = True) -> subprocess.CompletedProcess[str]:
    """Run noisecli where the plug-in is installed, or not."""
    path = os.pathsep.join([*([str(folder / "site")] if site else []), str(ROOT)])
    command = [sys.executable, "-m", "noisecli", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )


def test_the_page_shows_the_example_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"```python\n{(PLUGIN / 'noisecli_scales.py').read_text(encoding='utf-8')}```" in page
    entry = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]
    assert entry in (PLUGIN / "pyproject.toml").read_text(encoding="utf-8")


def test_a_plugin_is_found_run_recorded_and_replayed(installed: Path) -> None:
    commands = re.findall(r"^noisecli (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    results = {line.split()[0]: run(installed, *line.split()) for line in commands}
    assert {command: result.returncode for command, result in results.items()} == dict.fromkeys(
        ("ops", "augment", "verify", "replay"), 0
    ), results
    assert "tare_error (on table, from noisecli-scales)" in results["ops"].stdout
    manifest = json.loads((installed / "weighed.csv.noisecli.json").read_text(encoding="utf-8"))
    assert manifest["environment"]["noisecli-scales"] == "1.2.0"
    assert manifest["steps"][0]["columns"]["income"]["changed"] > 0
    assert (installed / "again.csv").read_bytes() == (installed / "weighed.csv").read_bytes()
    replay = next(line for line in commands if line.startswith("replay")).replace("again.csv", "once_more.csv")
    without = run(installed, *replay.split(), site=False)
    assert without.returncode == 1
    assert "the package noisecli-scales 1.2.0, which is not installed here" in without.stderr


def test_a_plugin_that_cannot_be_loaded_is_named(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed / "site", tmp_path / "site")
    (tmp_path / "site/noisecli_scales.py").write_text("import no_such_module\n", encoding="utf-8")
    done = run(tmp_path, "ops")
    assert done.returncode == 1
    assert "error: the plug-in noisecli-scales cannot be loaded: ModuleNotFoundError: No module named" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_plugin_a_recipe_says_what_is_missing(installed: Path) -> None:
    command = [sys.executable, "-m", "noisecli", "validate", str(PLUGIN / "recipe.yaml")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "tare_error" in done.stderr
    assert "Traceback" not in done.stderr
