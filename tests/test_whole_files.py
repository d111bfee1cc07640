"""What is written beside copies, such as pages, recipes and stamps, is there as a whole, or as it was before."""

from pathlib import Path

import pytest

WRITES = {
    "page.html": ("report", "noisy.csv", "--input", "clean.csv", "-o", "page.html"),
    "first.yaml": ("init", "clean.csv", "-o", "first.yaml", "--force"),
    "noisy.stamp": (
        "augment",
        "clean.csv",
        "-r",
        "recipe.yaml",
        "-o",
        "noisy.csv",
        "--if-changed",
        "--stamp",
        "noisy.stamp",
    ),
}


def half_of(write, name):
    """Write half of the file of that name, for which there is no room; all of others."""

    def written(path, data, **settings):
        if path.name != name:
            return write(path, data, **settings)
        write(path, data[: len(data) // 2], **settings)
        raise OSError(28, "No space left on device", str(path))

    return written


@pytest.mark.parametrize("name", WRITES)
def test_a_disk_that_is_full_leaves_the_old_file(command, recipe, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("clean.csv").write_text("id,x\n" + "".join(f"{i},{i % 7}.5\n" for i in range(50)))
    recipe("op: gaussian_noise, columns: x")
    assert command(*WRITES["noisy.stamp"]).code == 0
    assert command(*WRITES[name]).code == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for method in ("write_bytes", "write_text"):
        monkeypatch.setattr(Path, method, half_of(getattr(Path, method), name))
    failed = command(*WRITES[name])
    assert (failed.code, len(failed.errors)) == (1, 1)
    assert "No space left on device" in failed.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
