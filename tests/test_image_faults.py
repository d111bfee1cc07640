"""Faulty image files: what is damaged, what is not, and that nothing breaks over files that cannot be read."""

import io
import json
import struct
from collections.abc import Callable
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import noisecli
from noisecli.errors import DataProblem, RecipeProblem
from noisecli.imagefiles import png
from noisecli.manifest import path_for, read
from noisecli.report import page as pages
from noisecli.report.subject import gather

Command = Callable[..., Any]
FILES = [f"{name}.jpg" for name in ("plain", "progressive", "tagged", "little", "camera", "motion")]
FILES += [f"{name}.png" for name in ("plain", "tagged", "late")]
ORIENTATION, MAKER, DETAILS, EXPOSURE = 0x0112, 0x010F, 0x8769, 0x829A


def picture() -> Image.Image:
    rows, columns = np.mgrid[0:90, 0:120]
    texture = np.random.Generator(np.random.PCG64(1)).integers(0, 60, (90, 120, 3))
    return Image.fromarray((texture + (rows + columns)[..., None] % 190).astype(np.uint8))


def block(order: str, entries: dict[int, tuple[int, int, bytes]], more: bytes = b"") -> bytes:
    """An EXIF block by hand: tag to type, count and the four bytes of its value; `more` stands behind."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(entries))
    written = (struct.pack(order + "HHI", tag, kind, count) + value for tag, (kind, count, value) in entries.items())
    return start + b"".join(written) + bytes(4) + more


def camera(orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    exif[MAKER] = "Cámara"
    exif.get_ifd(DETAILS)[EXPOSURE] = 0.01
    if orientation is not None:
        exif[ORIENTATION] = orientation
    return exif.tobytes()


def encoded(name: str) -> bytes:
    sink = io.BytesIO()
    little = b"Exif\0\0" + block("<", {ORIENTATION: (3, 1, struct.pack("<HH", 8, 0))})
    said: dict[str, dict[str, Any]] = {
        "plain": {},
        "progressive": {"progressive": True, "comment": b"by hand"},
        "tagged": {"exif": camera(6)},
        "little": {"exif": little},
        "camera": {"exif": camera(), "comment": b"by hand"},
        "late": {},
        "motion": {},
    }
    stem, suffix = name.split(".")
    kind = {"jpg": "JPEG", "png": "PNG"}[suffix]
    more = {"quality": 90, "dpi": (72, 72)} if kind == "JPEG" else {}
    picture().save(sink, kind, icc_profile=b"profile", **more, **said[stem])
    data = sink.getvalue()
    if stem == "late":  # metadata may follow the pixels
        data = data[:-12] + png.as_chunk(b"eXIf", camera(3)[6:]) + data[-12:]
    return data + (b"\0\0\0\x18ftypmp42" + bytes(3000) if stem == "motion" else b"")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "images"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(encoded(name))
    return folder


def strike(source: Path, output: Path, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Strike images; return the entries of the manifest by the names of the files."""
    asked = [{"rate": 1, **step} for step in steps]
    recipe = {"noisecli": 1, "seed": 3, "purpose": "evaluate", "steps": asked, **more}
    done = noisecli.augment(source, recipe, output, workers=1)
    return {entry.input: entry for entry in done.manifest.outputs}


def pixel_span(data: bytes) -> tuple[int, int]:
    """Where the pixels stand; the profile and the comments here hold no such marks."""
    if data.startswith(b"\x89PNG"):
        last = data.rindex(b"IDAT")
        return data.index(b"IDAT") + 4, last + 8 + int.from_bytes(data[last - 4 : last], "big")
    scan = data.index(b"\xff\xda")
    return scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big"), data.rindex(b"\xff\xd9")


def bits(before: bytes, after: bytes) -> list[int]:
    """Numbers of the bits that differ."""
    one, other = (np.unpackbits(np.frombuffer(data, np.uint8)) for data in (before, after))
    return np.flatnonzero(one != other).tolist()


def shown(data: bytes) -> tuple[Any, Any]:
    """Pixels and EXIF, as Pillow reads them."""
    with Image.open(io.BytesIO(data)) as opened:
        exif = opened.getexif()
        return np.asarray(opened), (dict(exif), dict(exif.get_ifd(DETAILS)), opened.info.get("icc_profile"))


# Cut off


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_cut_off_in_its_pixels_and_a_stronger_cut_leaves_less(
    images: Path, tmp_path: Path, name: str
) -> None:
    data = (images / name).read_bytes()
    start, stop = pixel_span(data)
    left = [data]
    for severity, keep in enumerate((0.9, 0.7, 0.5, 0.3, 0.1), 1):
        out = tmp_path / f"{severity}" / name
        drawn = strike(images / name, out, {"op": "truncate_file", "severity": severity})["."].drawn["truncate_file"]
        left.append(out.read_bytes())
        assert drawn == {"keep": keep, "bytes_kept": start + int(keep * (stop - start)), "bytes": len(data)}
        assert len(left[-1]) == drawn["bytes_kept"]
    assert all(weaker.startswith(stronger) and weaker != stronger for weaker, stronger in pairwise(left))
    with Image.open(io.BytesIO(left[-1])) as opened:
        assert opened.size == (120, 90)
        with pytest.raises(OSError, match="truncated"):
            opened.load()


def test_where_a_file_ends_is_drawn_when_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(100):
        Image.new("L", (40, 40), i).save(tmp_path / "in" / f"{i}.png", compress_level=0)
    entries = strike(tmp_path / "in", tmp_path / "out", {"op": "truncate_file"})
    kept = np.sort([entry.drawn["truncate_file"]["keep"] for entry in entries.values()])
    assert np.abs(kept - np.arange(0.5, 100) / 100).max() < 1.95 / 10  # Kolmogorov and Smirnov, one in a thousand
    sizes = {entry.drawn["truncate_file"]["bytes_kept"] for entry in entries.values()}
    assert len(sizes) > 90


# Flipped bits


@pytest.mark.parametrize("name", FILES)
def test_bits_of_the_pixels_are_flipped_and_more_hold_fewer(images: Path, tmp_path: Path, name: str) -> None:
    data = (images / name).read_bytes()
    start, stop = pixel_span(data)
    flipped: list[set[int]] = []
    for number in (0.001, 100, 400, 3_000):
        out = tmp_path / f"{number}" / name
        drawn = strike(images / name, out, {"op": "flip_bits", "bits": number})["."].drawn["flip_bits"]
        found = bits(data, out.read_bytes())
        assert len(found) == drawn["flipped"] == ceil(8 * (stop - start) * number / 1e6)
        assert sorted(drawn["at"]) == found
        assert 8 * start <= found[0]
        assert found[-1] < 8 * stop
        flipped.append(set(found))
    assert len(flipped[0]) == 1
    assert all(few < many for few, many in pairwise(flipped))


def test_no_more_than_a_thousand_bits_are_told(tmp_path: Path) -> None:
    Image.effect_noise((400, 400), 60).save(tmp_path / "a.png", compress_level=0)
    drawn = strike(tmp_path / "a.png", tmp_path / "b.png", {"op": "flip_bits", "bits": 10_000})["."].drawn["flip_bits"]
    found = bits((tmp_path / "a.png").read_bytes(), (tmp_path / "b.png").read_bytes())
    assert drawn["flipped"] == len(found) > 10_000
    assert len(drawn["at"]) == 1000
    assert set(drawn["at"]) < set(found)
    middle, spread = np.mean(drawn["at"]) / found[-1], 1 / np.sqrt(12 * 1000)
    assert abs(middle - 0.5) < 4 * spread


# A wrong orientation


@pytest.mark.parametrize("name", FILES)
def test_the_orientation_alone_is_wrong(images: Path, tmp_path: Path, name: str) -> None:
    data = (images / name).read_bytes()
    drawn = strike(images / name, tmp_path / name, {"op": "wrong_orientation"})["."].drawn["wrong_orientation"]
    after = (tmp_path / name).read_bytes()
    (old_pixels, (old, *old_rest)), (pixels, (new, *rest)) = shown(data), shown(after)
    assert drawn == {"before": old.pop(ORIENTATION, 1), "after": new.pop(ORIENTATION)}
    assert drawn["before"] == {"tagged": 6, "little": 8, "late": 3}.get(name.split(".")[0], 1)
    assert drawn["before"] != drawn["after"]
    assert np.array_equal(pixels, old_pixels)
    old.pop(DETAILS, None), new.pop(DETAILS, None)
    assert (new, rest) == (old, old_rest)
    if len(after) == len(data):
        differing = [i for i, (one, other) in enumerate(zip(data, after, strict=True)) if one != other]
        assert len(differing) == (1 if name.endswith("jpg") else 5)  # with the checksum of the chunk
    if name.endswith("png"):
        both = [[part for part in png.whole_chunks(side) if part[0] != b"eXIf"] for side in (data, after)]
        assert both[0] == both[1]
    elif name in ("plain.jpg", "progressive.jpg"):
        at = after.index(b"\xff\xe1")
        assert at == 20  # behind JFIF, which comes first
        assert data == after[:at] + after[at + 2 + int.from_bytes(after[at + 2 : at + 4], "big") :]


def test_all_seven_other_orientations_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(140):
        exif = Image.Exif()
        exif[ORIENTATION] = 1 + i % 4
        Image.new("L", (8, 8)).save(tmp_path / "in" / f"{i}.jpg", exif=exif)
    drawn = [entry.drawn["wrong_orientation"] for entry in strike_all(tmp_path).values()]
    for before in range(1, 5):
        assert {each["after"] for each in drawn if each["before"] == before} == set(range(1, 9)) - {before}


def strike_all(folder: Path) -> dict[str, Any]:
    return strike(folder / "in", folder / "out", {"op": "wrong_orientation"})


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "value"), [(1, "B"), (3, "H"), (4, "I")])
def test_orientations_of_other_types_and_nonsense(tmp_path: Path, order: str, kind: int, value: str) -> None:
    for said, before in ((5, 5), (77, 1)):
        entry = (kind, 1, struct.pack(order + value, said).ljust(4, b"\0"))
        exif = block(order, {MAKER: (2, 4, b"me!\0"), ORIENTATION: entry})
        Image.new("L", (8, 8)).save(tmp_path / "a.png", exif=b"Exif\0\0" + exif)
        drawn = strike(tmp_path / "a.png", tmp_path / f"{said}.png", {"op": "wrong_orientation"})["."].drawn
        found = shown((tmp_path / f"{said}.png").read_bytes())[1][0]
        assert drawn["wrong_orientation"] == {"before": before, "after": found[ORIENTATION]}
        assert found[MAKER] == "me!"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_new_tag_stands_in_order_and_the_thumbnail_is_still_found(tmp_path: Path, order: str) -> None:
    tags = {0x0100: (3, 1, struct.pack(order + "HH", 120, 0)), 0x0132: (2, 4, b"now\0")}
    exif = block(order, tags)
    link = len(exif) - 4
    thumbnails = struct.pack(order + "HHHIHHI", 1, 0x0103, 3, 1, 6, 0, 0)
    exif = exif[:link] + struct.pack(order + "I", len(exif)) + thumbnails + b"x"  # an odd number of bytes
    picture().save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    drawn = strike(tmp_path / "a.jpg", tmp_path / "b.jpg", {"op": "wrong_orientation"})["."].drawn
    with Image.open(tmp_path / "b.jpg") as opened:
        after = opened.info["exif"][6:]
        assert opened.getexif()[ORIENTATION] == drawn["wrong_orientation"]["after"]
    assert after[8 : len(exif)] == exif[8:]
    at = struct.unpack_from(order + "I", after, 4)[0]
    assert at % 2 == 0
    assert [struct.unpack_from(order + "H", after, at + 2 + 12 * i)[0] for i in range(3)] == [0x0100, 0x0112, 0x0132]
    assert after[at + 2 + 12 * 3 :] == exif[link : link + 4]


@pytest.mark.parametrize(
    "junk", [b"", b"II", b"II*\0\0\0\0\0", b"no TIFF at all", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x09ab"]
)
def test_a_block_that_cannot_be_read_gives_way_and_nothing_is_lost(tmp_path: Path, junk: bytes) -> None:
    data = encoded("plain.png")
    at = data.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(data[:at] + png.as_chunk(b"eXIf", junk) + data[at:])
    drawn = strike(tmp_path / "a.png", tmp_path / "b.png", {"op": "wrong_orientation"})["."].drawn
    after = (tmp_path / "b.png").read_bytes()
    assert shown(after)[1][0][ORIENTATION] == drawn["wrong_orientation"]["after"]
    assert junk[8:] in dict(png.whole_chunks(after))[b"eXIf"]


def test_a_block_without_room_stays_and_a_warning_says_so(tmp_path: Path) -> None:
    full = b"Exif\0\0" + block("<", {MAKER: (2, 4, b"me!\0")}, bytes(65_480))
    picture().save(tmp_path / "a.jpg", exif=full)
    recipe = {"noisecli": 1, "seed": 3, "steps": [{"op": "wrong_orientation", "rate": 1}]}
    done = noisecli.augment(tmp_path / "a.jpg", recipe, tmp_path / "b.jpg")
    assert done.output.read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert done.manifest.outputs[0].drawn["wrong_orientation"] == {"before": 1, "after": 1}
    (warning,) = done.manifest.warnings
    assert "1 of 1 struck came out unchanged" in warning


# With other steps, and without


def test_files_that_cannot_be_decoded_can_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    picture().convert("CMYK").save(tmp_path / "in" / "a.jpg")
    deep = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", deep), (b"IDAT", b"never decoded"), (b"IEND", b"")]
    (tmp_path / "in" / "b.png").write_bytes(png.PNG_START + b"".join(png.as_chunk(*part) for part in parts))
    entries = strike(tmp_path / "in", tmp_path / "out", {"op": "flip_bits"})
    for name, entry in entries.items():
        found = bits((tmp_path / "in" / name).read_bytes(), (tmp_path / "out" / name).read_bytes())
        assert found == sorted(entry.drawn["flip_bits"]["at"])
    with pytest.raises(DataProblem, match=r"a\.jpg: the file is a CMYK JPEG"):
        strike(tmp_path / "in", tmp_path / "no", {"op": "brightness"}, {"op": "flip_bits"})


def test_struck_pixels_are_encoded_first_and_then_damaged(images: Path, tmp_path: Path) -> None:
    noise, cut = {"op": "gaussian_noise", "rate": 0.6}, {"op": "truncate_file", "rate": 0.6}
    alone = strike(images, tmp_path / "noise", noise)
    both = strike(images, tmp_path / "both", noise, cut)
    seen = set()
    for name, entry in both.items():
        before, after = ((tmp_path / kind / name).read_bytes() for kind in ("noise", "both"))
        is_cut = "truncate_file" in (entry.drawn or {})
        assert before.startswith(after)
        assert (after != before) == is_cut
        assert ("gaussian_noise" in (entry.drawn or {})) == (alone[name].drawn is not None)
        assert (entry.content is None) == (is_cut or entry.carried)
        seen.add((alone[name].drawn is not None, is_cut))
    assert len(seen) == 4


def test_faults_of_a_file_follow_each_other(images: Path, tmp_path: Path) -> None:
    steps = [{"op": "flip_bits", "bits": 10_000}, {"op": "truncate_file", "keep": 0}, {"op": "wrong_orientation"}]
    entries = strike(images, tmp_path / "out", *steps)
    for name, entry in entries.items():
        with Image.open(tmp_path / "out" / name) as opened:  # what precedes the pixels is whole
            assert opened.size == (120, 90)
            assert opened.getexif()[ORIENTATION] == entry.drawn["wrong_orientation"]["after"]
    again = strike(tmp_path / "out", tmp_path / "again", {"op": "truncate_file"}, {"op": "flip_bits"})
    assert all(entry.drawn["flip_bits"]["flipped"] == 0 for entry in again.values())


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (["flip_bits", "brightness"], "'brightness' must stand before 'flip_bits': steps on the finished file come la"),
        ([{"op": "flip_bits", "scale": "none"}], "'flip_bits' acts on the finished file, .* takes no 'scale'"),
        ([{"op": "truncate_file", "keep": 1}], "keep: .*less than 1"),
    ],
)
def test_what_makes_no_sense_is_refused(images: Path, tmp_path: Path, steps: list[Any], says: str) -> None:
    asked = [{"op": step} if isinstance(step, str) else step for step in steps]
    with pytest.raises(RecipeProblem, match=says):
        strike(images, tmp_path / "out", *asked)


def test_an_array_is_no_file() -> None:
    recipe = {"noisecli": 1, "seed": 3, "target": "images", "steps": [{"op": "brightness"}, {"op": "flip_bits"}]}
    with pytest.raises(RecipeProblem, match="op 'flip_bits' damages image files, and an array is none") as caught:
        noisecli.corrupt(np.zeros((9, 9, 3), np.uint8), recipe)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GIF89a", "neither a JPEG nor a PNG"),
        (encoded("plain.png")[:60], "truncated or damaged"),
        (encoded("plain.jpg")[:200], "truncated or damaged"),
        (b"\xff\xd8\xff\xe0\0\1", "truncated or damaged"),
        (b"", "neither a JPEG nor a PNG"),
    ],
)
def test_a_file_without_pixels_is_refused_or_carried(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(data)
    for op in ("truncate_file", "flip_bits", "wrong_orientation"):
        if op == "wrong_orientation" and len(data) == 60:
            continue  # its head is whole
        with pytest.raises(DataProblem, match=rf"^a\.png: .*{says}"):
            strike(tmp_path / "in", tmp_path / "no", {"op": op})
        (entry,) = strike(tmp_path / "in", tmp_path / op, {"op": op}, on_error="skip").values()
        assert entry.carried


# Everything around a run


STEPS: list[dict[str, Any]] = [
    {"op": "gaussian_noise", "rate": 0.4, "sigma": 0.1},
    {"op": "truncate_file", "rate": 0.4, "keep": 0.6},
    {"op": "flip_bits", "rate": 0.4, "bits": 30},
    {"op": "wrong_orientation", "rate": 0.4},
]


@pytest.fixture(scope="module")
def damaged(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = {"noisecli": 1, "seed": 1, "purpose": "evaluate", "copies": 3, "steps": STEPS}
    output = tmp_path_factory.mktemp("damaged") / "out"
    return noisecli.augment(images, recipe, output, workers=1, truth=True).output


def test_verified_replayed_and_the_same_for_any_number_of_workers(
    command: Command, images: Path, damaged: Path, tmp_path: Path, tree: Callable[[Path], dict[str, bytes]]
) -> None:
    assert command("verify", damaged, "--input", images).code == 0
    assert command("replay", path_for(damaged), "--input", images, "-o", tmp_path / "again").code == 0
    recipe = read(path_for(damaged)).recipe
    noisecli.augment(images, recipe, tmp_path / "two", workers=2, truth=True)
    assert tree(damaged) == tree(tmp_path / "again") == tree(tmp_path / "two")
    names = [f"{path}.noisecli-truth.parquet" for path in (damaged, tmp_path / "two")]
    assert Path(names[0]).read_bytes() == Path(names[1]).read_bytes()


def test_the_truth_has_a_line_for_each_step_that_changed_a_file(damaged: Path) -> None:
    manifest = read(path_for(damaged))
    lines = pq.read_table(f"{damaged}.noisecli-truth.parquet").to_pylist()
    drawn = {(entry.copy_number, entry.input): entry.drawn for entry in manifest.outputs}
    assert all(json.loads(line["drawn"]) == drawn[line["copy"], line["file"]][line["step"]] for line in lines)
    assert len(lines) == sum(map(len, filter(None, drawn.values())))
    for step in manifest.steps:
        counts = step.columns[""]
        assert counts["changed"] == counts["struck"] == sum(line["step"] == step.id for line in lines) > 0


def test_files_that_a_step_damaged_end_neither_diff_nor_report(
    command: Command, images: Path, damaged: Path, tmp_path: Path
) -> None:
    found = command("diff", images, damaged, "--json")
    assert found.code == 0
    assert found.json["truth"]["count"] == 0
    unreadable = {image["path"] for image in found.json["images"] if image["how"] == "unreadable"}
    entries = {entry.input: entry for entry in read(path_for(damaged)).outputs if entry.copy_number == 1}
    assert {name for name, entry in entries.items() if "truncate_file" in (entry.drawn or {})} <= unreadable
    assert 0 < len(unreadable) < len(found.json["images"])
    assert {image["how"] for image in found.json["images"]} == {"unreadable", "pixels", "metadata"}
    told = command("diff", images, damaged).out
    assert f"{len(unreadable)} cannot be read: steps damaged their files" in told

    subject = gather(damaged, images)
    figures = command("report", damaged, "--input", images, "--json").json
    assert set(figures["images"]["unreadable"]) == unreadable
    assert figures["warnings"] == []
    assert f"{len(unreadable)} images that cannot be read" in pages.render(subject)


def test_a_file_that_someone_else_damaged_is_told_of(command: Command, images: Path, tmp_path: Path) -> None:
    strike(images, tmp_path / "out", {"op": "truncate_file"})
    assert command("diff", images, tmp_path / "out").code == 0
    path = tmp_path / "out" / "plain.jpg"
    path.write_bytes(path.read_bytes()[:-1])
    result = command("diff", images, tmp_path / "out")
    assert result.code == 3
    assert "plain.jpg: the file is truncated or damaged" in result.err


def test_a_preview_shows_what_is_left(
    command: Command, images: Path, tmp_path: Path, recipe: Callable[..., Path]
) -> None:
    flow = [", ".join(f"{key}: {value}" for key, value in step.items()) for step in STEPS]
    done = command("preview", images, "-r", recipe(*flow), "-o", tmp_path / "sheet.png", "--json", "--rows", 8)
    assert done.code == 0
    struck = {on["step"] for image in done.json["images"] for on in image["steps"] if on["struck"]}
    assert struck == {step["op"] for step in STEPS}
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 5 * 120


def test_steps_that_change_no_pixel_are_warned_of(tmp_path: Path) -> None:
    Image.new("L", (9, 9), 255).save(tmp_path / "white.png")
    recipe = {"noisecli": 1, "seed": 1, "steps": [{"op": "brightness", "amount": 0.2}]}
    (warning,) = noisecli.augment(tmp_path / "white.png", recipe, tmp_path / "out.png").manifest.warnings
    assert "1 of 1 struck came out unchanged" in warning
