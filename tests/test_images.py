"""Image folders: what is struck changes in its pixels alone, everything else keeps its bytes."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from noisecli.errors import DataProblem
from noisecli.formats.images import parse_image
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


def test_pictures_of_other_kinds_are_carried_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.webp", "c.BMP"):
        save(tmp_path / "in" / name, "RGB")
    (warning,) = strike(tmp_path / "in", tmp_path / "out").manifest.warnings
    assert warning.startswith("2 images are of a kind that is not read, and carried without noise (.bmp, .webp)")


def test_the_manifest_tells_what_each_image_got(tmp_path: Path) -> None:
    save(tmp_path / "a.png", "RGB")
    entry = strike(tmp_path / "a.png", tmp_path / "out.png", "cutout", holes=3, size=0.2).manifest.outputs[0]
    assert len(entry.drawn["cutout"]["centres"]) == 3
    assert entry.drawn["cutout"]["size"] == 0.2
    after = parse_image((tmp_path / "out.png").read_bytes(), "out.png")
    assert entry.content == after.digest(after.pixels)


def test_what_cannot_be_read_is_counted_as_struck_in_vain(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.png", "RGB")
    (tmp_path / "in" / "b.png").write_bytes((tmp_path / "in" / "a.png").read_bytes()[:-200])
    Image.new("L", (65_501, 1)).save(tmp_path / "in" / "c.png")
    steps = [{"op": "brightness", "rate": 1}, {"op": "jpeg_compression", "rate": 1}]
    done = augment(tmp_path / "in", {"noisecli": 1, "on_error": "skip", "steps": steps}, tmp_path / "out", workers=1)
    for step in done.manifest.steps:
        counts = step.columns[""]
        assert (counts["eligible"], counts["struck"], counts["void"], counts["changed"]) == (3, 3, 2, 1)
    assert (done.output / "c.png").read_bytes() == (tmp_path / "in" / "c.png").read_bytes()


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


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(depth: int, colour: int, values: NDArray[Any], before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of any kind; values are (height, width, channels), chunks go before and after the pixels."""
    height, width = values.shape[:2]
    if depth == 16:
        rows = values.astype(">u2").view(np.uint8).reshape(height, -1)
    else:
        bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., -depth:]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(np.insert(rows, 0, 0, axis=1).tobytes())
    pieces = [chunk(b"IHDR", head), before, chunk(b"IDAT", data), after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kinds and bodies of a PNG, header and pixels left out."""
    found, position = [], 8
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        found.append((kind, data[position + 8 : position + 8 + length]))
        position += length + 12
    return [(kind, body) for kind, body in found if kind not in (b"IHDR", b"IDAT")]


def opened(data: bytes, mode: str = "") -> NDArray[Any]:
    """What Pillow sees."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert(mode) if mode else picture)


def encoded(picture: Image.Image, format_: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.png", png_of(16, 2, np.zeros((1, 1, 3))), "16-bit RGB pixels"),
        ("a.png", png_of(16, 4, np.zeros((1, 1, 2))), "16-bit grey with alpha"),
        ("a.png", png_of(16, 6, np.zeros((1, 1, 4))), "16-bit RGBA"),
        ("a.png", png_of(8, 0, np.zeros((1, 1, 1)), chunk(b"acTL", bytes(8))), "an animated PNG"),
        ("a.png", png_of(8, 3, np.full((1, 1, 1), 2), chunk(b"PLTE", bytes(6))), "damaged"),
        ("a.png", png_of(8, 3, np.zeros((1, 1, 1))), "damaged"),
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


COLOURS = np.random.default_rng(4).integers(0, 256, (256, 3), dtype=np.uint8)
OTHERS = [(b"gAMA", struct.pack(">I", 45455)), (b"pHYs", struct.pack(">IIB", 300, 300, 1))]
TEXT = (b"tEXt", b"Author\0nobody")


def palette_png(depth: int, alpha: bytes | None) -> bytes:
    """A palette PNG with every chunk that a palette can have."""
    size = 2**depth
    entries = np.arange(40 * 56).reshape(40, 56, 1) * 7 % size
    parts = [(b"sBIT", b"\x08\x07\x06"), (b"PLTE", COLOURS[:size].tobytes())]
    parts += [] if alpha is None else [(b"tRNS", alpha)]
    parts += [(b"bKGD", b"\x01"), (b"hIST", bytes(2 * size))]
    before = b"".join(chunk(*part) for part in [OTHERS[0], *parts, OTHERS[1]])
    return png_of(depth, 3, entries, before, chunk(*TEXT))


@pytest.mark.parametrize("alpha", [None, b"\x00\x80", b"\x07"])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_becomes_rgb_or_rgba(tmp_path: Path, depth: int, alpha: bytes | None) -> None:
    data, mode = palette_png(depth, alpha), "RGB" if alpha is None else "RGBA"
    (tmp_path / "a.png").write_bytes(data)
    out = strike(tmp_path / "a.png", tmp_path / "out.png", "cutout", size=0.5).output
    before, after = opened(data, mode), opened(out.read_bytes())
    assert before.shape == after.shape
    black = (after[..., :3] == 0).all(axis=2)
    assert 0 < black.sum() < black.size
    assert np.array_equal(before[~black], after[~black])
    assert np.array_equal(before[..., 3:], after[..., 3:])


@pytest.mark.parametrize("alpha", [None, b"\x00\x80"])
def test_chunks_of_a_palette_go_and_all_others_stay(alpha: bytes | None) -> None:
    image = parse_image(palette_png(4, alpha), "a.png")
    background = (b"bKGD", struct.pack(">3H", *COLOURS[1].tolist()))
    depths = (b"sBIT", b"\x08\x07\x06" + (b"" if alpha is None else b"\x08"))
    written = chunks_of(image.encode(image.pixels))
    assert written == [OTHERS[0], depths, background, OTHERS[1], TEXT, (b"IEND", b"")]


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("transparent", [True, False])
def test_few_levels_of_grey_become_8_bits(tmp_path: Path, depth: int, transparent: bool) -> None:
    white = 2**depth - 1
    special = [(b"tRNS", struct.pack(">H", white)), (b"bKGD", b"\0\1")] if transparent else []
    before = b"".join(chunk(*part) for part in [*OTHERS, *special])
    levels = np.arange(40 * 56).reshape(40, 56, 1) * 3 // 2 % (white + 1)
    data = png_of(depth, 0, levels, before, chunk(*TEXT))
    image = parse_image(data, "a.png")
    assert image.alpha is None
    written = image.encode(image.pixels)
    assert np.array_equal(opened(written), levels[..., 0] * (255 // white))
    if not transparent:
        assert np.array_equal(opened(written, "RGBA"), opened(data, "RGBA"))
    special = [(b"tRNS", b"\0\xff"), (b"bKGD", struct.pack(">H", 255 // white))] if transparent else []
    assert chunks_of(written) == [*OTHERS, *special, TEXT, (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(data)
    out = strike(tmp_path / "a.png", tmp_path / "out.png").output
    assert opened(out.read_bytes()).dtype == np.uint8
    assert len(np.unique(opened(out.read_bytes()))) > 200


RAMP = np.arange(2**16, dtype=np.uint16).reshape(256, 256, 1)


def strike_16_bits(folder: Path, values: NDArray[np.uint16], op: str, **settings: Any) -> NDArray[np.float64]:
    """What an op makes of a 16-bit grey PNG."""
    (folder / "a.png").write_bytes(png_of(16, 0, values))
    out = strike(folder / "a.png", folder / "out.png", op, **settings).output
    after = opened(out.read_bytes())
    assert after.dtype == np.uint16
    return after.astype(float)


def test_16_bit_grey_keeps_every_level_and_chunk() -> None:
    before = b"".join(chunk(*part) for part in [*OTHERS, (b"tRNS", b"\x12\x34")])
    data = png_of(16, 0, RAMP, before, chunk(*TEXT))
    image = parse_image(data, "a.png")
    written = image.encode(image.pixels)
    assert np.array_equal(opened(written), RAMP[..., 0])
    assert chunks_of(written) == chunks_of(data)


def test_impulses_on_16_bits_are_black_or_white(tmp_path: Path) -> None:
    after = strike_16_bits(tmp_path, RAMP, "impulse_noise", amount=0.2)
    kept = after == RAMP[..., 0]
    assert 0.78 < kept.mean() < 0.82
    assert set(np.unique(after[~kept])) == {0, 65535}


def test_noise_on_16_bits_is_a_share_of_65535(tmp_path: Path) -> None:
    sigma, grey = 0.05, 30_001
    moved = strike_16_bits(tmp_path, np.full_like(RAMP, grey), "gaussian_noise", sigma=sigma) - grey
    deviation = sigma * 65535
    assert abs(moved.std() - deviation) < 4 * deviation / np.sqrt(2 * moved.size)
    assert abs(moved.mean()) < 4 * deviation / np.sqrt(moved.size)
    assert len(np.unique(moved)) > 10_000


@pytest.mark.parametrize(("amount", "levels"), [(0, 0), (0.1, 6554), (-0.1, -6553)])
def test_brightness_on_16_bits_moves_every_level_alike(tmp_path: Path, amount: float, levels: int) -> None:
    after = strike_16_bits(tmp_path, RAMP, "brightness", amount=amount)
    assert np.array_equal(after, np.clip(RAMP[..., 0].astype(float) + levels, 0, 65535))


def test_compression_on_16_bits_has_256_levels(tmp_path: Path) -> None:
    after = strike_16_bits(tmp_path, RAMP, "jpeg_compression", quality=95)
    assert (after % 257 == 0).all()
    assert np.abs(after - RAMP[..., 0]).max() < 4 * 257


def test_the_digest_tells_8_bits_from_16() -> None:
    narrow = parse_image(png_of(8, 0, np.full((1, 2, 1), 7)), "a.png")
    wide = parse_image(png_of(16, 0, np.full((1, 2, 1), 7)), "a.png")
    assert narrow.digest(narrow.pixels) == hashlib.sha256(b"[1, 2, 1]\7\7").hexdigest()
    assert wide.digest(wide.pixels) == hashlib.sha256(b'[1, 2, 1, "uint16"]\7\0\7\0').hexdigest()


@pytest.mark.parametrize(
    "data", [palette_png(8, b"\x00"), png_of(1, 0, np.ones((3, 3, 1))), png_of(16, 0, RAMP[:3, :5])]
)
def test_pixels_are_read_only(data: bytes) -> None:
    image = parse_image(data, "a.png")
    assert not image.pixels.flags.writeable
    assert image.alpha is None or not image.alpha.flags.writeable


@pytest.mark.parametrize(("kind", "colour"), [(b"tRNS", 0), (b"bKGD", 0), (b"bKGD", 3)])
def test_an_empty_chunk_is_damage_not_black(kind: bytes, colour: int) -> None:
    before = chunk(b"PLTE", bytes(6)) + chunk(kind, b"")
    with pytest.raises(DataProblem, match=r"a\.png: the file is truncated or damaged"):
        parse_image(png_of(2, colour, np.zeros((1, 1, 1)), before), "a.png")
