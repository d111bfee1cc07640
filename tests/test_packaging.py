"""What is built: the wheel holds the package and nothing else, the sdist all of the project; both install clean."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("noisecli", "tests", "benchmarks", "sample_data", "examples", "docs")


def files(folder: Path) -> set[str]:
    """Every file of the project below a folder, but for what Python and others leave there."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(ROOT).as_posix()
        for path in found
        if not {"__pycache__", ".mypy_cache", ".pytest_cache", ".hypothesis"} & set(path.parts)
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        entries = next(wheel.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    ours = {name for name in names if ".dist-info/" not in name}
    assert ours == files(ROOT / "noisecli")
    assert "noisecli/py.typed" in ours
    assert {"noisecli/recipes/human-typing.yaml"} <= ours
    assert "noisecli = noisecli.cli:main" in entries


def test_the_sdist_holds_all_that_the_project_is(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    expected = set().union(*(files(ROOT / folder) for folder in KEPT))
    own = {"PKG-INFO", "pyproject.toml", ".gitignore"}
    own |= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile"}
    assert names - own == expected
    assert names >= own


@pytest.mark.stress
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_it_installs_and_runs_the_readme_in_an_empty_environment(built: Path, tmp_path: Path, kind: str) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    program = tmp_path / "venv/bin"
    package = next(built.glob(kind))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def run(*command: object) -> str:
        done = subprocess.run(list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    run(program / "python", "-m", "pip", "install", "--quiet", f"{package}[report]")
    run(program / "python", "-m", "pip", "check")
    assert str(tmp_path) in run(program / "python", "-c", "import noisecli; print(noisecli.__file__)")
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    commands = (ROOT / "README.md").read_text(encoding="utf-8").partition("```sh\n")[2].partition("```")[0]
    assert commands.count("noisecli ") == 5
    run("bash", "-euc", f"PATH={program}:$PATH\n{commands}")
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert "human-typing" in run(program / "noisecli", "recipes")
