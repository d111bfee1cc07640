"""Folders and image files that mean harm, or are broken: refused or left out by name, without much time or memory."""

import errno
import io
import json
import os
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noisecli.formats import images
from noisecli.formats.images import parse_image
from noisecli.imagefiles.png import PNG_START, as_chunk
from noisecli.manifest import verify
from noisecli.run import augment

Command = Callable[..., Any]
Recipe = Callable[..., Path]
Tree = Callable[[Path], dict[str, bytes]]

SECRET = b"the user's own"
STEPS = {"images": "op: brightness, rate: 1", "table": "op: missing, columns: y, rate: 1"}
TABLE = b"x,y\n1,a\n2,b\n"


def encoded(picture: Image.Image, format_: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_, **more)
    return buffer.getvalue()


def png(width: int, height: int, pixel_data: bytes, *chunks: bytes, colour: int = 2) -> bytes:
    header = as_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"".join([PNG_START, header, *chunks, as_chunk(b"IDAT", pixel_data), as_chunk(b"IEND", b"")])


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """The JPEG, with another size in its header."""
    frame = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2"))
    return jpeg[: frame + 5] + struct.pack(">HH", height, width) + jpeg[frame + 9 :]


def inflating(size: int) -> bytes:
    """Deflated data that stand for so many bytes."""
    deflate = zlib.compressobj(9)
    return b"".join(deflate.compress(bytes(1 << 20)) for _ in range(size >> 20)) + deflate.flush()


SMALL = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
GOOD = encoded(SMALL, "PNG")
JPEG, PROGRESSIVE = encoded(SMALL, "JPEG"), encoded(SMALL, "JPEG", progressive=True)
SHORT = zlib.compress(bytes(100))

LIARS = {
    "vast.png": (png(60_000, 60_000, SHORT), "60000 x 60000 px are too many"),
    "vast.jpg": (claiming(JPEG, 60_000, 60_000), "60000 x 60000 px are too many"),
    "vaster.png": (png(2**31 - 1, 2**31 - 1, b""), "px are too many"),
    "scan.png": (png(12_001, 10_000, SHORT), "12001 x 10000 px are too many (at most 120,000,000)"),
    "large.png": (png(12_000, 9_000, SHORT), "its header lies"),
    "large.jpg": (claiming(JPEG, 12_000, 9_000), "its header lies"),
    "progressive.jpg": (claiming(PROGRESSIVE, 12_000, 9_000), "its header lies"),
    "palette.png": (png(12_000, 9_000, SHORT, as_chunk(b"PLTE", bytes(6)), colour=3), "its header lies"),
}


@pytest.mark.parametrize("name", LIARS)
def test_headers_that_lie_are_refused_by_name(command: Command, recipe: Recipe, tmp_path: Path, name: str) -> None:
    data, says = LIARS[name]
    (tmp_path / name).write_bytes(data)
    done = command("augment", tmp_path / name, "-r", recipe(STEPS["images"]), "-o", tmp_path / "out" / name, "-q")
    assert (done.code, len(done.err.splitlines())) == (3, 1)
    assert done.err.startswith(f"error: {name}: ")
    assert says in done.err
    assert "remove the file" in done.err
    assert not (tmp_path / "out").exists()


MEASURE = """
import json, resource, sys
from noisecli.run import augment
recipe = {"noisecli": 1, "seed": 1, "on_error": "skip", "steps": [{"op": "brightness", "rate": 1}]}
most = []
for folder in sys.argv[1:]:
    augment(folder, recipe, folder + "-out")
    most.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps(most))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in other units, or not")
def test_bombs_take_no_memory(tmp_path: Path) -> None:
    """Headers claim up to 14 GB, chunks stand for 0.5 GB each; none of them may show."""
    bomb, rows = inflating(512 << 20), zlib.compress(bytes(25 * 8))
    chunks = {"zTXt": b"k\0\0", "iCCP": b"k\0\0", "iTXt": b"k\0\1\0\0\0"}
    metadata = {f"{kind}.png": png(8, 8, rows, as_chunk(kind.encode(), head + bomb)) for kind, head in chunks.items()}
    bombs = {name: data for name, (data, _) in LIARS.items()} | metadata | {"behind.png": png(8, 8, bomb)}
    for folder, files in {"a": {"good.png": GOOD}, "b": bombs}.items():
        (tmp_path / folder).mkdir()
        for name, data in files.items():
            (tmp_path / folder / name).write_bytes(data)
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "a"), str(tmp_path / "b")]
    usual, most = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert (most - usual) >> 10 < 64
    skipped = json.loads((tmp_path / "b-out.noisecli.json").read_text())["skipped"]
    assert [entry["path"] for entry in skipped] == sorted(LIARS)


@pytest.mark.parametrize(
    ("format_", "more"),
    [
        ("JPEG", {"optimize": True}),
        ("JPEG", {"progressive": True, "optimize": True}),
        ("PNG", {"compress_level": 9}),
    ],
)
@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_picture_of_one_colour_is_no_lie(format_: str, more: dict[str, Any], mode: str) -> None:
    """No picture takes fewer bytes."""
    mode = "L" if format_ == "JPEG" and mode == "1" else mode
    data = encoded(Image.new(mode, (3_000, 2_000)), format_, **more)
    assert parse_image(data, f"a.{format_.lower()}").pixels.shape[:2] == (2_000, 3_000)


def test_a_file_too_large_for_a_picture_is_not_read(
    command: Command, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate((1 << 30) + 1)  # it takes no room on disk
    done = command("augment", tmp_path / "a.png", "-r", recipe(STEPS["images"]), "-o", tmp_path / "out.png", "-q")
    assert done.code == 3
    assert done.err.startswith("error: a.png: 1,073,741,825 bytes are too many for an image (at most ")
    monkeypatch.setattr(images, "MOST_BYTES", len(GOOD))
    (tmp_path / "a.png").write_bytes(GOOD)
    assert command("augment", tmp_path / "a.png", "-r", recipe(STEPS["images"]), "-o", tmp_path / "out.png").code == 0


# -------------------------------------------------------------------------------------------------------------- folders


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


ENTRIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "secret{}": (link("../outside/secret.txt"), "a link that leaves the input"),
    "secret.txt": (link("../outside/secret.txt"), "a link that leaves the input"),
    "outside": (link("../outside"), "a link that leaves the input"),
    "above": (link("../in"), "a link to a folder"),
    "around": (link("."), "a link to a folder"),
    "beside": (link("folder"), "a link to a folder"),
    "gone{}": (link("nothing"), "a link that leads nowhere"),
    "itself{}": (link("itself{}"), "a link that leads nowhere"),
    "pipe{}": (os.mkfifo, "neither a file nor a folder"),
    "socket{}": (lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), "neither a file nor a folder"),
    os.fsdecode(b"\xff{}"): (lambda path: path.touch(), "a file name that is not UTF-8"),
}


@pytest.fixture(params=["images", "table"])
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(target: str, tmp_path: Path) -> Path:
    """A good file in a folder, and beside the folder what does not belong to it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_bytes(SECRET)
    name, data = ("good.png", GOOD) if target == "images" else ("good.csv", TABLE)
    (tmp_path / "in" / "folder").mkdir(parents=True)
    (tmp_path / "in" / "folder" / name).write_bytes(data)
    return tmp_path / "in"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such entries")
@pytest.mark.parametrize("entry", ENTRIES)
def test_entries_that_are_no_files_of_the_input(
    command: Command, recipe: Recipe, tree: Tree, folder: Path, target: str, tmp_path: Path, entry: str
) -> None:
    make, says = ENTRIES[entry]
    name = entry.format(".png" if target == "images" else ".csv")
    make(folder / name)
    told = ascii(name) if "UTF-8" in says else name
    refused = command("augment", folder, "-r", recipe(STEPS[target]), "-o", tmp_path / "out", "-q")
    assert (refused.code, len(refused.err.splitlines())) == (3, 1)
    assert refused.err.startswith(f"error: {folder}/{told}: {says}")
    assert "`on_error: skip` leaves such entries out" in refused.err
    assert not (tmp_path / "out").exists()
    assert command("validate", recipe(STEPS[target]), folder).code == 3
    done = command("augment", folder, "-r", recipe(STEPS[target], on_error="skip"), "-o", tmp_path / "out", "-q")
    assert done.code == 0
    assert done.err.startswith(f"warning: 1 entry is left out: {told}: {says}")
    (skipped,) = json.loads((tmp_path / "out.noisecli.json").read_text())["skipped"]
    assert skipped["path"] == told
    assert skipped["why"].startswith(says)
    made = tree(tmp_path / "out")
    assert set(made) == {"folder", "folder/good" + (".png" if target == "images" else ".csv")}
    assert SECRET not in made.values()
    assert verify(tmp_path / "out", folder)[1] == []


def test_a_link_within_the_input_is_the_file_it_leads_to(folder: Path, target: str, tmp_path: Path) -> None:
    good = next((folder / "folder").iterdir())
    linked = folder / f"linked{good.suffix}"
    linked.symlink_to(good.relative_to(folder))
    step = {"op": "brightness", "rate": 1} if target == "images" else {"op": "missing", "columns": "y", "rate": 0.5}
    out = [augment(folder, {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / name).output for name in "ab"]
    linked.unlink()
    linked.write_bytes(good.read_bytes())
    out.append(augment(folder, {"noisecli": 1, "seed": 1, "steps": [step]}, tmp_path / "c").output)
    assert not (out[0] / linked.name).is_symlink()
    assert len({(path / linked.name).read_bytes() for path in out}) == 1


def test_the_input_may_be_reached_by_a_link(folder: Path, target: str, tmp_path: Path, tree: Tree) -> None:
    good = next((folder / "folder").iterdir())
    (folder / f"linked{good.suffix}").symlink_to(good.relative_to(folder))
    (tmp_path / "by").symlink_to(folder)
    step = {"op": "brightness", "rate": 1} if target == "images" else {"op": "missing", "columns": "y", "rate": 0.5}
    recipe = {"noisecli": 1, "seed": 1, "steps": [step]}
    one, other = (tree(augment(tmp_path / name, recipe, tmp_path / f"out-{name}").output) for name in ("in", "by"))
    assert one == other


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_whose_name_is_not_utf8(command: Command, recipe: Recipe, folder: Path, target: str) -> None:
    (folder / "folder").rename(folder / os.fsdecode(b"\xff"))
    done = command("augment", folder, "-r", recipe(STEPS[target]), "-o", folder.with_name("out"), "-q")
    assert (done.code, len(done.err.splitlines())) == (3, 1)
    assert f"in/'\\udcff/good.{'png' if target == 'images' else 'csv'}': a file name that is not UTF-8" in done.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such entries")
def test_what_a_name_holds_does_not_reach_the_terminal(
    command: Command, recipe: Recipe, folder: Path, target: str, tmp_path: Path
) -> None:
    (folder / "\x1b[2Jwiped\nerror: x").symlink_to("nothing")
    done = command("augment", folder, "-r", recipe(STEPS[target], on_error="skip"), "-o", tmp_path / "out")
    assert "skipped   \\x1b[2Jwiped\\nerror: x: a link that leads nowhere" in done.out
    assert "\x1b" not in done.out + done.err
    assert len(done.err.splitlines()) == 1
    sheet = ["-o", tmp_path / "sheet.png"] if target == "images" else []
    seen = command("preview", folder, "-r", recipe(STEPS[target], on_error="skip"), *sheet)
    assert "1 entry is left out" in seen.out + seen.err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such entries")
def test_a_pipe_is_no_input(command: Command, recipe: Recipe, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    done = command("augment", tmp_path / "a.png", "-r", recipe(STEPS["images"]), "-o", tmp_path / "out.png", "-q")
    assert (done.code, "a.png: is no file that noisecli reads" in done.err) == (3, True)


def test_more_than_one_are_counted_and_none_left_is_an_error(
    command: Command, recipe: Recipe, folder: Path, target: str, tmp_path: Path
) -> None:
    for number in range(3):
        (folder / f"{number}.txt").symlink_to("nothing")
    refused = command("augment", folder, "-r", recipe(STEPS[target]), "-o", tmp_path / "out", "-q")
    assert "0.txt: a link that leads nowhere: remove it; there are 2 more that cannot be taken" in refused.err
    good = next((folder / "folder").iterdir())
    good.rename(tmp_path / "outside" / good.name)
    good.symlink_to(tmp_path / "outside" / good.name)
    nothing = command("augment", folder, "-r", recipe(STEPS[target], on_error="skip"), "-o", tmp_path / "out", "-q")
    assert (nothing.code, len(nothing.err.splitlines())) == (3, 1)
    assert nothing.err.startswith(f"error: {good}: a link that leaves the input")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read(
    command: Command, recipe: Recipe, folder: Path, target: str, tmp_path: Path, what: str, monkeypatch: Any
) -> None:
    closed, access, scandir = folder / "closed", os.access, os.scandir
    closed.mkdir() if what == "folder" else closed.write_bytes(b"")

    def refuse(path: Any = ".") -> Any:
        if path == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(path)

    # The user who runs the tests may be one who may read everything.
    monkeypatch.setattr(os, "access", lambda path, *how, **more: path != closed and access(path, *how, **more))
    monkeypatch.setattr(os, "scandir", refuse)
    refused = command("augment", folder, "-r", recipe(STEPS[target]), "-o", tmp_path / "out", "-q")
    done = command("augment", folder, "-r", recipe(STEPS[target], on_error="skip"), "-o", tmp_path / "out", "-q")
    assert refused.err.startswith(f"error: {closed}: a {what} that ")
    assert (done.code, "closed" in done.err) == (0, True)
    assert not (tmp_path / "out/closed").exists()
