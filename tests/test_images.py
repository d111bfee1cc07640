"""Image folders: what is struck changes in its pixels alone, everything else keeps its bytes."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from noisecli.run import augment

Tree = Callable[[Path], dict[str, bytes]]

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
OPS = ["gaussian_noise", "impulse_noise", "brightness", "cutout", "jpeg_compression"]


def pixels(mode: str, seed: int = 0) -> NDArray[np.uint8]:
    """A gradient with some texture."""
    channels = len(mode)
    rows, columns = np.mgrid[0:40, 0:56]
    waves = 90 + 50 * np.sin(rows / 5) + columns
    noise = np.random.Generator(np.random.PCG64(seed)).integers(0, 20, (40, 56, channels))
    values = (waves[..., None] * np.linspace(0.6, 1, channels) + noise).astype(np.uint8)
    return values[..., 0] if channels == 1 else values


def save(path: Path, mode: str) -> Path:
    """A picture with all the metadata that its format can hold."""
    picture = Image.fromarray(pixels(mode))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "Cámara"
    more: dict[str, Any] = {"quality": 90, "comment": b"by hand"}
    if path.suffix == ".png":
        text = PngImagePlugin.PngInfo()
        text.add_text("Author", "Zoë", zip=True)
        text.add_itxt("Title", "Łódź at night", "pl")
        more = {"pnginfo": text}
    picture.save(path, exif=exif, icc_profile=PROFILE, dpi=(300, 300), **more)
    return path


def strike(source: Path, output: Path, op: str = "gaussian_noise", **step: Any) -> Any:
    recipe = {"noisecli": 1, "seed": 5, "steps": [{"op": op, "rate": 1, **step}]}
    return augment(source, recipe, output, workers=1)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", ["L.jpg", "RGB.jpg", "L.png", "LA.png", "RGB.png", "RGBA.png"])
def test_metadata_mode_and_frame_are_kept(tmp_path: Path, name: str, op: str) -> None:
    source = save(tmp_path / name, name.split(".")[0])
    out = strike(source, tmp_path / "out" / name, op).output
    with Image.open(source) as before, Image.open(out) as after:
        assert (after.mode, after.size, after.format) == (before.mode, before.size, before.format)
        assert after.info == before.info
        assert after.getexif() == before.getexif()
        assert after.info["icc_profile"] == PROFILE
        assert after.getexif()[0x0112] == 6
        assert not np.array_equal(np.asarray(before), np.asarray(after))
        if before.mode.endswith("A"):
            assert np.array_equal(np.asarray(before)[..., -1], np.asarray(after)[..., -1])


def test_a_png_holds_exactly_the_new_pixels(tmp_path: Path) -> None:
    out = strike(save(tmp_path / "RGB.png", "RGB"), tmp_path / "out.png", "cutout", size=0.5).output
    with Image.open(out) as after:
        values = np.asarray(after)
    black = (values == 0).all(axis=2)
    assert black.any()
    assert np.array_equal(values[~black], pixels("RGB")[~black])


def test_a_jpeg_keeps_full_colour_and_high_quality(tmp_path: Path) -> None:
    out = strike(save(tmp_path / "RGB.jpg", "RGB"), tmp_path / "out.jpg").output
    with Image.open(out) as after:
        assert [component[1:3] for component in after.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
        assert sum(after.quantization[0]) / 64 < 8  # type: ignore[attr-defined]


def test_grey_stays_grey_and_every_channel_is_struck(tmp_path: Path) -> None:
    out = strike(save(tmp_path / "RGB.png", "RGB"), tmp_path / "out.png", sigma=0.2).output
    with Image.open(out) as after:
        moved = np.asarray(after).astype(int) - pixels("RGB")
    assert (np.abs(moved).mean(axis=(0, 1)) > 15).all()


def test_untouched_files_keep_their_bytes(sample: Path, tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg", "c.png", "d.JPG", "e.jpeg"):
        save(tmp_path / "in" / name, "RGB")
    (tmp_path / "in" / "labels.json").write_text("{}")
    (tmp_path / "in" / ".hidden").write_text("x")
    done = strike(tmp_path / "in", tmp_path / "out", rate=0.5)
    before, after = tree(tmp_path / "in"), tree(done.output)
    assert before.keys() == after.keys()
    carried = {entry.path for entry in done.manifest.outputs if entry.carried}
    assert {"labels.json", ".hidden"} < carried
    assert carried == {name for name in before if before[name] == after[name]}
    assert len(carried) < len(before)


def test_the_manifest_tells_what_each_image_got(tmp_path: Path) -> None:
    save(tmp_path / "a.png", "RGB")
    entry = strike(tmp_path / "a.png", tmp_path / "out.png", "cutout", holes=3, size=0.2).manifest.outputs[0]
    assert len(entry.drawn["cutout"]["centres"]) == 3
    assert entry.drawn["cutout"]["size"] == 0.2
    assert entry.content


def test_one_image_in_gives_one_image(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", "RGB")
    (tmp_path / "there").mkdir()
    assert strike(tmp_path / "a.jpg", tmp_path / "there").output == tmp_path / "there" / "a.jpg"


def test_a_renamed_image_and_a_moved_folder_get_the_same_noise(tmp_path: Path, tree: Tree) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / name, "RGB")
        strike(tmp_path / name, tmp_path / f"out-{name}")
    assert (tmp_path / "out-a.png").read_bytes() == (tmp_path / "out-b.png").read_bytes()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("a.png", "b.png"):
            save(tmp_path / folder / name, "RGB")
        strike(tmp_path / folder, tmp_path / "out" / folder)
    one, two = tree(tmp_path / "out" / "one"), tree(tmp_path / "out" / "two")
    assert one == two
    assert one["a.png"] != one["b.png"]


def png_of(depth: int, colour: int, channels: int) -> bytes:
    """The smallest PNG of a kind that Pillow would quietly change."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, depth, colour, 0, 0, 0)
    data = zlib.compress(b"\0" * (1 + channels * depth // 8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encoded(picture: Image.Image, format_: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.png", png_of(16, 2, 3), "16-bit RGB"),
        ("a.png", png_of(16, 0, 1), "16-bit grey"),
        ("a.png", encoded(Image.fromarray(pixels("RGB")).quantize(8), "PNG"), "palette"),
        ("a.png", encoded(Image.fromarray(pixels("L")).convert("1"), "PNG"), "1-bit grey"),
        ("a.jpg", encoded(Image.fromarray(pixels("RGB")).convert("CMYK"), "JPEG"), "CMYK"),
        ("a.jpg", encoded(Image.fromarray(pixels("RGB")), "PNG"), "is a PNG, not a JPEG"),
        ("a.png", encoded(Image.fromarray(pixels("RGB")), "JPEG"), "is a JPEG, not a PNG"),
        ("a.png", encoded(Image.fromarray(pixels("RGB")), "GIF"), "a GIF"),
        ("a.jpg", encoded(Image.fromarray(pixels("RGB")), "WEBP"), "WebP"),
        ("a.png", encoded(Image.fromarray(pixels("RGB")), "PNG")[:-20], "truncated or damaged"),
    ],
)
def test_what_would_be_changed_in_silence_is_refused(
    command: Callable[..., Any], recipe: Callable[..., Path], tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    result = command("augment", tmp_path / name, "-r", recipe("op: cutout"), "-o", tmp_path / "out", "-q")
    assert result.code == 3
    assert len(result.errors) == 1
    assert f"{name}: " in result.errors[0]
    assert says in result.errors[0]
    assert not (tmp_path / "out").exists()


def test_severities_grow(tmp_path: Path) -> None:
    save(tmp_path / "a.png", "RGB")
    for op in OPS:
        errors = []
        for severity in range(6):
            out = strike(tmp_path / "a.png", tmp_path / f"{op}-{severity}.png", op, rate=None, severity=severity).output
            with Image.open(out) as after:
                errors.append(float(np.abs(np.asarray(after).astype(int) - pixels("RGB")).mean()))
        assert errors[0] == 0
        assert errors == sorted(errors), op
