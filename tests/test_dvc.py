"""The example for DVC, run by DVC: what is made again, and what is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "dvc"

BIN = Path(sys.executable).parent

pytestmark = pytest.mark.skipif(
    not (BIN / "dvc").exists() or shutil.which("git") is None, reason="dvc or git is not installed"
)


@pytest.fixture
def shell(tmp_path, sample):
    """Run a command in a DVC repository that holds the example, away from the settings and caches of the machine."""
    home, repo = tmp_path / "home", tmp_path / "repo"
    home.mkdir()
    (home / "config").write_text("[core]\nanalytics = false\ncheck_update = false\n")
    shutil.copytree(EXAMPLE, repo)
    (repo / "data").mkdir()
    shutil.copy(sample / "customers.csv", repo / "data")
    who = {f"GIT_{role}_{key}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    dvc = {f"DVC_{key}": str(home) for key in ("GLOBAL_CONFIG_DIR", "SYSTEM_CONFIG_DIR", "SITE_CACHE_DIR")}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **who, **dvc, "HOME": str(home), "PATH": path, "DVC_NO_ANALYTICS": "1"}

    def run(line):
        done = subprocess.run(line.split(), cwd=repo, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("git init --quiet")
    run("dvc init --quiet")
    assert "Running stage 'train'" in run("dvc repro")
    run("git add -A")
    run("git commit --quiet -m example")
    return repo, run


def test_dvc_makes_again_only_what_depends_on_a_change(shell):
    repo, run = shell
    params = repo / "params.yaml"
    first = (repo / "noisy.csv").read_bytes()

    params.write_text(params.read_text() + "# a comment\n")
    again = run("dvc repro")
    assert "'noise' didn't change, skipping" in again
    assert "'train' didn't change, skipping" in again

    params.write_text(params.read_text().replace("workers: 1", "workers: 2"))
    same_bytes = run("dvc repro")
    assert "Running stage 'noise'" in same_bytes
    assert "'train' didn't change, skipping" in same_bytes
    assert (repo / "noisy.csv").read_bytes() == first

    params.write_text(params.read_text().replace("ridge: 1.0", "ridge: 2.0"))
    downstream = run("dvc repro")
    assert "'noise' didn't change, skipping" in downstream
    assert "Running stage 'train'" in downstream

    params.write_text(params.read_text().replace("workers: 2", "workers: 1").replace("ridge: 2.0", "ridge: 1.0"))
    cached = run("dvc repro")
    assert "'noise' is cached - skipping run" in cached, "a manifest with `cache: false` would forbid this"
    assert "'train' is cached - skipping run" in cached


def test_dvc_runs_experiments_on_the_recipe_and_shows_what_came_of_them(shell):
    repo, run = shell
    before = json.loads(run("dvc metrics show --json"))[""]["data"]["metrics.json"]["data"]["auc"]
    assert "Running stage 'noise'" in run("dvc exp run --set-param noise.steps.1.rate=0.4")
    changed = json.loads(run("dvc metrics diff --json"))["metrics.json"]["auc"]
    assert changed["old"] == before
    assert changed["new"] < before, "twice as many wrong labels make the classifier worse"
    manifest = json.loads((repo / "noisy.csv.noisecli.json").read_text())
    assert manifest["recipe"]["steps"][1]["rate"] == 0.4
    run("noisecli verify noisy.csv --input data/customers.csv")
    run("dvc plots show")
    assert '"rows"' in (repo / "dvc_plots" / "index.html").read_text()
