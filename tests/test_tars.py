"""Tars of images, such as WebDataset's: struck images are replaced, everything else stays byte for byte."""

import gc
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from noisecli.errors import DataProblem, RecipeProblem, UsageProblem
from noisecli.formats import images as image_files
from noisecli.formats.tar import BLOCK, Splice, members
from noisecli.manifest import verify
from noisecli.run import augment, replay

Members = list[tuple[str, bytes]]

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
AFTER = b"what follows the end"


def packed(files: Members, format_: int = tarfile.PAX_FORMAT, **about: Any) -> bytes:
    """A tar of some files; a name that ends in / is a folder."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=format_) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            for key, value in about.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def unpacked(data: bytes) -> Members:
    """What Python finds in a tar, as a stream."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r|") as tar:
        return [(info.name, file.read() if (file := tar.extractfile(info)) else b"") for info in tar]


def headers(data: bytes) -> dict[str, dict[str, Any]]:
    """What Python finds in the headers of a tar, but for what has to change with the size of a file."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {info.name: {**info.get_info(), **info.pax_headers, "size": 0, "chksum": 0} for info in tar}


def spliced(data: bytes, new: dict[str, bytes]) -> bytes:
    """A tar with other contents of some members."""
    sink = io.BytesIO()
    splice = Splice(io.BytesIO(data), sink)
    for member in members(io.BytesIO(data), "a.tar"):
        if member.name in new:
            splice.replace(member, new[member.name], "")
    read, written, _ = splice.finish()
    assert (read[1], written[1]) == (len(data), len(sink.getvalue()))
    return sink.getvalue()


names = st.text(st.characters(exclude_characters="/\0\n", exclude_categories=["Cs"]), min_size=1, max_size=150)
contents = st.integers(0, 3 * BLOCK).map(lambda size: bytes(i % 251 for i in range(size)))
replaced = st.none() | st.integers(0, 3 * BLOCK).map(lambda size: b"\xff" * size)


@given(
    st.lists(st.tuples(names, contents, replaced), max_size=6, unique_by=lambda one: one[0]),
    st.sampled_from(["gnu", "pax"]),
)
def test_splicing_changes_what_is_replaced_and_nothing_else(
    found: list[tuple[str, bytes, bytes | None]], form: str
) -> None:
    before = packed([(name, data) for name, data, _ in found], FORMATS[form]) + AFTER
    new = {name: data for name, _, data in found if data is not None}
    after = spliced(before, new)
    assert unpacked(after) == [(name, new.get(name, data)) for name, data in unpacked(before)]
    assert after.endswith(AFTER)
    old, now = (list(members(io.BytesIO(data), "a.tar")) for data in (before, after))
    ends = [0, *(member.end for member in old)], [0, *(member.end for member in now)]
    for one, other, start, begin in zip(old, now, *ends, strict=False):
        assert before[start : one.header] == after[begin : other.header]
        header, fresh = before[one.header : one.data], after[other.header : other.data]
        assert header[:124] + header[136:148] + header[156:] == fresh[:124] + fresh[136:148] + fresh[156:]
        if one.name not in new:
            assert before[one.header : one.end] == after[other.header : other.end]
    assert before[ends[0][-1] :] == after[ends[1][-1] :]


def header(name: str = "b.jpg", **about: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in about.items():
        setattr(info, key, value)
    return info


def raw(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT)


def checked(block: bytes) -> bytes:
    """A header with the checksum that belongs to it."""
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return raw(header("pax", type=kind, size=len(records))) + records + bytes(-len(records) % BLOCK)


GOOD = packed([("a.jpg", b"x" * 700)])[: 3 * BLOCK]
HOSTILE = {
    "empty": (b"", "a.tar: the tar is empty"),
    "no tar": (b"x" * 2000, "a.tar: no header of a tar at byte 0"),
    "data cut": (GOOD[:-1], "a.tar/a.jpg: claims 700 bytes, and the tar has 1,023 more"),
    "header cut": (GOOD + raw(header())[:300], "a.tar: ends within a header"),
    "size lies": (GOOD + raw(header(size=8**11)), "a.tar/b.jpg: claims 8,589,934,592 bytes, and the tar has 0 more"),
    "size below 0": (
        GOOD + checked(raw(header())[:124] + b"-0000000700\0" + raw(header())[136:]),
        "a.tar/b.jpg: has a size below 0",
    ),
    "size below 0 in base 256": (GOOD + raw(header(size=-512)), "a.tar/b.jpg: has a size below 0"),
    "damaged": (GOOD + b"z" + raw(header())[1:], "a.tar: no header of a tar at byte 1,536"),
    "twice": (GOOD + GOOD, "a.tar/a.jpg: is there twice"),
    "twice but for ./": (GOOD + raw(header("./a.jpg")), "a.tar/a.jpg: is there twice"),
    "link with data": (GOOD + raw(header(type=tarfile.LNKTYPE, size=9)), "a.tar/b.jpg: no file, but 9 bytes long"),
    "long name, no file": (GOOD + pax(b"15 path=b2.jpg\n"), "a.tar: ends within a header"),
    "long name, then the end": (GOOD + pax(b"15 path=b2.jpg\n") + bytes(BLOCK), "a.tar: no header of a tar"),
    "long name too long": (
        raw(header(type=tarfile.GNUTYPE_LONGNAME, size=2 << 20)) + bytes(2 << 20),
        "a.tar: 2,097,152 bytes are too many for a name",
    ),
    "records that lie": (GOOD + pax(b"99 path=b2.jpg\n") + GOOD, "a.tar: PAX records cannot be read"),
    "records without a length": (GOOD + pax(b"path=b2.jpg\n") + GOOD, "a.tar: PAX records cannot be read"),
    "one size for all": (pax(b"10 size=7\n", tarfile.XGLTYPE) + GOOD, "a.tar: gives all members one name or size"),
    "size in words": (pax(b"12 size=two\n") + GOOD, "a.tar/a.jpg: has a size that is no number"),
    "a line in a name": (GOOD + raw(header("b\n.jpg", size=-512)), r"a.tar/'b\n.jpg': has a size below 0"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_tars_that_are_not_what_they_say_are_refused(case: str) -> None:
    data, said = HOSTILE[case]
    with pytest.raises(DataProblem) as caught:
        list(members(io.BytesIO(data), "a.tar"))
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_what_is_no_regular_file_is_passed_over() -> None:
    data = (
        pax(b"18 comment=of all\n", tarfile.XGLTYPE)
        + raw(header("folder/", type=tarfile.DIRTYPE))
        + raw(header("link.jpg", type=tarfile.SYMTYPE, linkname="x" * 300))  # with a long link before it
        + raw(header("volume", type=b"V"))
        + raw(header("old/", type=tarfile.AREGTYPE))
        + pax(b"17 mtime=12.3456\n")
        + GOOD
    )
    (member,) = members(io.BytesIO(data), "a.tar")
    assert (member.name, member.size, member.objection) == ("a.jpg", 700, "")
    assert data[member.data : member.data + 700] == b"x" * 700


def test_members_that_cannot_be_replaced_say_so() -> None:
    holes = raw(header("old.jpg", type=tarfile.GNUTYPE_SPARSE, size=600))
    holes = checked(holes[:482] + b"\1" + holes[483:]) + bytes(504) + b"\1" + bytes(7) + bytes(BLOCK)
    data = (
        holes
        + b"y" * 600
        + bytes(2 * BLOCK - 600)
        + pax(b"22 GNU.sparse.major=1\n32 GNU.sparse.name=folder/s.jpg\n")
        + raw(header("GNUSparseFile.0/s.jpg"))
        + pax(b"12 size=512\n")
        + raw(header("sized.jpg"))
        + b"x" * 512
        + raw(header("caf\udce9.jpg"))
        + GOOD
    )
    found = list(members(io.BytesIO(data), "a.tar"))
    assert [(member.name, member.objection.partition(":")[0]) for member in found] == [
        ("old.jpg", "a sparse file"),
        ("folder/s.jpg", "a sparse file"),
        ("sized.jpg", "its size is told by a PAX record"),
        (r"caf\udce9.jpg", "a name that is not UTF-8"),
        ("a.jpg", ""),
    ]
    assert data[found[0].data :].startswith(b"y")


@given(st.data())
def test_damage_is_told_in_a_line_and_never_goes_in_circles(data: st.DataObject) -> None:
    """A flipped byte in a header, its checksum made right again: sizes below 0, other kinds, records out of step."""
    whole = bytearray(pax(b"15 path=b2.jpg\n") + GOOD + packed([("c" * 120 + ".jpg", b"z" * 600)], tarfile.GNU_FORMAT))
    block = BLOCK * data.draw(st.sampled_from([0, 1, 2, 5, 7]))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[block + data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        whole[block : block + BLOCK] = checked(bytes(whole[block : block + BLOCK]))
    ends = [0]
    with suppress(DataProblem):
        for member in members(io.BytesIO(whole), "a.tar"):
            assert ends[-1] <= member.header < member.data <= member.end <= len(whole)
            ends.append(member.end)


# ---- runs

HEAD = {"noisecli": 1, "seed": 3}
NOISE = {"op": "gaussian_noise", "sigma": 0.1}
LONG = "long/" * 30


def picture(value: int, form: str = "JPEG", side: int = 24) -> bytes:
    """A file of a flat grey picture."""
    sink = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(sink, form)
    return sink.getvalue()


def pixels(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data)))


def samples(first: int, prefix: str = "") -> Members:
    """Three samples of an image, a class, and a note."""
    found: Members = []
    for i in range(first, first + 3):
        note = json.dumps({"index": i}).encode()
        found += [
            (f"{prefix}{i:03}{end}", data)
            for end, data in ((".jpg", picture(40 + i)), (".cls", b"%d" % i), (".json", note))
        ]
    return found


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A WebDataset of two shards and one that is held out."""
    root = tmp_path / "shards"
    root.mkdir()
    for i, name in enumerate(("train-000000", "train-000001", "val-000000")):
        (root / f"{name}.tar").write_bytes(packed(samples(10 * i)))
    return root


def run(source: Path, out: Path, *steps: dict[str, Any], truth: bool = False, **head: Any) -> Any:
    """Make a set, check that it holds up, and that it does not depend on the number of workers; give its manifest."""
    recipe = {**HEAD, **head, "steps": list(steps or [NOISE])}
    done = augment(source, recipe, out, truth=truth)
    assert verify(out, source)[1] == []
    assert replay(out, source, out.with_name("again"), force=True, workers=2)[1:] == ([], [])
    return done.manifest


@pytest.mark.parametrize("form", FORMATS)
def test_images_are_struck_and_nothing_else_changes(form: str, tmp_path: Path) -> None:
    long = [] if form == "ustar" else [(f"{LONG}9.jpg", picture(9)), (f"{LONG}9.cls", b"9")]
    extra = [("left/", b""), ("mask.npy", b"123"), *long, ("left/é.PNG", picture(90, "PNG")), ("empty", b"")]
    about = {"uname": "ada", "mode": 0o640, "mtime": 12.5 if form == "pax" else 12}
    before = packed(samples(0, "./") + extra, FORMATS[form], **about) + AFTER
    source, out = tmp_path / "a.tar", tmp_path / "b.tar"
    source.write_bytes(before)
    run(source, out)
    after = out.read_bytes()
    assert after.endswith(AFTER)
    old, new = headers(before), headers(after)
    assert [old.keys(), *old.values()] == [new.keys(), *new.values()]
    for (name, clean), (_, noisy) in zip(unpacked(before), unpacked(after), strict=True):
        if name.lower().endswith((".jpg", ".png")):
            assert (pixels(clean) != pixels(noisy)).any()
        else:
            assert clean == noisy


def test_a_shard_is_struck_as_a_folder_of_its_files(shards: Path, tmp_path: Path) -> None:
    """By the same addresses, so to the same bytes; and a tar alone may be renamed."""
    folder = tmp_path / "photos"
    for name, data in samples(0):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    one = tmp_path / "one.tar"
    shutil.copy(shards / "train-000000.tar", one)
    step = {**NOISE, "rate": 0.5}
    single, by_folder = run(one, tmp_path / "x.tar", step), run(folder, tmp_path / "x", step)
    assert single.steps == by_folder.steps
    assert 0 < single.steps[0].columns[""]["struck"] < 3
    assert unpacked((tmp_path / "x.tar").read_bytes()) == [
        (n, (tmp_path / "x" / n).read_bytes()) for n, _ in samples(0)
    ]
    run(one.rename(tmp_path / "two.tar"), tmp_path / "y.tar", step)
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "y.tar").read_bytes()


def test_an_image_more_in_a_shard_changes_no_other(shards: Path, tmp_path: Path) -> None:
    recipe = {**HEAD, "steps": [{**NOISE, "rate": 0.5}]}
    augment(shards, recipe, tmp_path / "before")
    (shards / "train-000000.tar").write_bytes(packed([("first.jpg", picture(1)), *samples(0)]))
    augment(shards, recipe, tmp_path / "after")
    before, after = (
        dict(unpacked((tmp_path / made / "train-000000.tar").read_bytes())) for made in ("before", "after")
    )
    assert before.items() <= after.items()
    assert 0 < len(before.items() - samples(0)) < 3


def test_shards_of_held_out_splits_are_carried(shards: Path, tmp_path: Path) -> None:
    (shards / "test").mkdir()
    shutil.copy(shards / "train-000000.tar", shards / "test/0.tar")
    mixed = packed([("train/0.png", picture(9, "PNG")), ("val/0.png", picture(9, "PNG"))])
    (shards / "mixed.tar").write_bytes(mixed)
    manifest = run(shards, tmp_path / "out")
    assert [entry.path for entry in manifest.outputs if entry.carried] == ["test/0.tar", "val-000000.tar"]
    assert manifest.steps[0].columns[""]["eligible"] == 7
    (_, struck), (_, held_out) = unpacked((tmp_path / "out/mixed.tar").read_bytes())
    assert held_out == picture(9, "PNG") != struck
    assert run(shards, tmp_path / "all", purpose="evaluate").steps[0].columns[""]["eligible"] == 14
    with pytest.raises(UsageProblem, match="looks like held-out data"):
        run(shards / "val-000000.tar", tmp_path / "b.tar")


def test_entries_and_truth_tell_of_tars_and_their_images(shards: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    manifest = run(shards, tmp_path / "out", {**NOISE, "rate": 0.5, "id": "grain"}, truth=True)
    told = [(entry.path, entry.rows, entry.drawn, entry.content is None) for entry in manifest.outputs]
    assert told == [
        ("train-000000.tar", 3, None, False),
        ("train-000001.tar", 3, None, False),
        ("val-000000.tar", None, None, True),
    ]
    truth = pq.read_table(tmp_path / "out.noisecli-truth.parquet").to_pylist()
    changed = {
        f"{shard}.tar/{name}"
        for shard in ("train-000000", "train-000001")
        for (name, old), (_, new) in zip(
            *(unpacked((root / f"{shard}.tar").read_bytes()) for root in (shards, tmp_path / "out")), strict=True
        )
        if old != new
    }
    assert 0 < len(changed) < 6
    assert {(line["file"], line["step"], line["copy"], json.loads(line["drawn"])["sigma"]) for line in truth} == {
        (name, "grain", 1, 0.1) for name in changed
    }
    assert manifest.steps[0].columns[""]["changed"] == len(changed)


def test_replay_knows_equal_pixels_in_other_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.tar"
    source.write_bytes(packed([("a.png", picture(100, "PNG")), ("a.cls", b"1")]))
    augment(source, {**HEAD, "steps": [NOISE]}, tmp_path / "b.tar")
    monkeypatch.setattr(image_files, "PNG_LEVEL", 9)  # as another zlib would
    assert replay(tmp_path / "b.tar", source, tmp_path / "c.tar")[1:] == (["."], [])
    found = augment(source, {**HEAD, "steps": [NOISE]}, tmp_path / "d.tar").manifest.outputs[0]
    source.write_bytes(packed([("a.png", picture(100, "PNG")), ("a.cls", b"2")]))
    other = augment(source, {**HEAD, "steps": [NOISE]}, tmp_path / "e.tar").manifest.outputs[0]
    assert found.content != other.content  # the labels differ


def test_steps_choose_by_member(shards: Path, tmp_path: Path) -> None:
    (shards / "train-000001.tar").write_bytes(packed(samples(0, "cats/") + samples(5, "dogs/")))
    steps = [
        {**NOISE, "id": "one", "files": ["train-000000.tar/*1.jpg"]},
        {**NOISE, "id": "cats", "classes": ["cats"]},
        {**NOISE, "id": "third", "rate": 1 / 3, "exact": True},
    ]
    manifest = run(shards, tmp_path / "out", *steps)
    counts = {step.id: step.columns[""] for step in manifest.steps}
    assert {name: (c["eligible"], c["struck"]) for name, c in counts.items()} == {
        "one": (1, 1),
        "cats": (3, 3),
        "third": (9, 3),
    }
    for key, value, said in (
        ("classes", ["train-000000.tar"], "no image .* lies in a folder"),
        ("classes", ["cat"], "did you mean 'cats'"),
        ("files", ["a.jpg"], "no image .* at 'a.jpg'"),
    ):
        with pytest.raises(RecipeProblem, match=said):
            run(shards, tmp_path / "none", {**NOISE, key: value})


def test_an_image_that_cannot_be_read_matters_only_where_it_is_struck(shards: Path, tmp_path: Path) -> None:
    broken = packed([("a.jpg", picture(9)), ("b.jpg", b"no picture"), ("b.cls", b"2")])
    (shards / "train-000001.tar").write_bytes(broken)
    run(shards, tmp_path / "spared", {**NOISE, "files": ["*a.jpg"]})
    with pytest.raises(
        DataProblem, match=r"^train-000001.tar/b.jpg: .*neither a JPEG nor.*on_error: skip.* such images"
    ):
        run(shards, tmp_path / "out")
    with pytest.raises(DataProblem, match=r"^train-000001.tar/b.jpg: "):
        run(shards / "train-000001.tar", tmp_path / "out.tar")
    manifest = run(shards, tmp_path / "out", on_error="skip")
    assert [entry["path"] for entry in manifest.skipped] == ["train-000001.tar/b.jpg"]
    assert dict(unpacked((tmp_path / "out/train-000001.tar").read_bytes()))["b.jpg"] == b"no picture"
    counts = manifest.steps[0].columns[""]
    assert (counts["eligible"], counts["struck"], counts["changed"]) == (5, 5, 4)
    assert [line for line in manifest.warnings if "1 of 5 struck cannot be read and are carried" in line]


def test_a_tar_that_cannot_be_read_is_carried_on_request(shards: Path, tmp_path: Path) -> None:
    path = shards / "train-000001.tar"
    path.write_bytes(path.read_bytes().partition(b"012.json")[0] + packed([("012.json", b"12")])[: BLOCK + 9])
    with pytest.raises(DataProblem, match=r"^train-000001.tar/012.json: claims .*such tars"):
        run(shards, tmp_path / "out")
    manifest = run(shards, tmp_path / "out", on_error="skip")
    assert [entry["path"] for entry in manifest.skipped] == ["train-000001.tar"]
    assert (tmp_path / "out/train-000001.tar").read_bytes() == path.read_bytes()
    assert manifest.steps[0].columns[""]["eligible"] == 3
    path.write_bytes(b"")
    with pytest.raises(DataProblem, match=r"^train-000001.tar: the tar is empty"):
        run(shards, tmp_path / "none")
    with pytest.raises(DataProblem, match="the tar is empty"):
        run(path, tmp_path / "none.tar")


def test_tars_of_anything_else_and_packed_ones_are_carried(shards: Path, tmp_path: Path) -> None:
    (shards / "texts.tar").write_bytes(packed([("a.txt", b"a")]))
    (shards / "more.tar.gz").write_bytes(b"\x1f\x8b")
    (shards / "more.TGZ").write_bytes(b"\x1f\x8b")
    manifest = run(shards, tmp_path / "out")
    carried = [entry.path for entry in manifest.outputs if entry.carried]
    assert carried == ["more.TGZ", "more.tar.gz", "texts.tar", "val-000000.tar"]
    assert [
        line for line in manifest.warnings if "tars are of a kind that is not read" in line and ".tar.gz, .tgz" in line
    ]
    (shards / "metadata.csv").write_text("file_name\na.tar\n")
    run(shards, tmp_path / "described")
    (shards / "table.csv").write_text("a\n1\n")
    with pytest.raises(RecipeProblem, match="tables and images"):
        run(shards, tmp_path / "both")
    with pytest.raises(UsageProblem, match="has another format"):
        run(shards / "train-000000.tar", tmp_path / "b.tar.gz")
    with pytest.raises(DataProblem, match=r"is no file that noisecli reads .*\.tar"):
        run(shards / "texts.tar", tmp_path / "b.tar")


def test_masks_in_tars_are_carried(shards: Path, tmp_path: Path) -> None:
    mask = picture(9, "PNG")
    photos = [("car_gt.jpg", picture(9)), ("000.jpg", picture(9)), ("label/1.jpg", picture(9))]
    masks = [("000.seg.png", mask), ("masks/000.png", mask)]
    (shards / "train-000000.tar").write_bytes(packed([*photos, *masks]))
    manifest = run(shards, tmp_path / "out")
    assert manifest.steps[0].columns[""]["eligible"] == 6
    noisy = dict(unpacked((tmp_path / "out/train-000000.tar").read_bytes()))
    assert [name for name, clean in [*photos, *masks] if noisy[name] == clean] == ["000.seg.png", "masks/000.png"]
    assert [line for line in manifest.warnings if line.startswith("carried as masks: train-000000.tar/000.seg.png")]
    turn = {"op": "elastic", "severity": 1}
    with pytest.raises(RecipeProblem, match=r"moves what is in .*train-000000.tar has a mask in 000.seg.png"):
        run(shards, tmp_path / "moved", turn)
    run(shards, tmp_path / "moved", {**turn, "files": ["train-000001*"]})
    none, one = ({"masks": globs} for globs in ([], ["*/car_*"]))
    assert run(shards, tmp_path / "none", data=none).steps[0].columns[""]["eligible"] == 8
    manifest = run(shards, tmp_path / "one", data=one)
    assert manifest.steps[0].columns[""]["eligible"] == 7
    assert not [line for line in manifest.warnings if "masks" in line]
    with pytest.raises(RecipeProblem, match=r"no file is at '\*.bmp'"):
        run(shards, tmp_path / "bad", data={"masks": ["*.bmp"]})


@pytest.mark.parametrize("step", [NOISE, {**NOISE, "files": ["*1*.jpg"]}, {"op": "elastic", "severity": 1}])
def test_the_others_are_struck_beside_a_tar_that_cannot_be_read(
    shards: Path, tmp_path: Path, step: dict[str, Any]
) -> None:
    path = shards / "train-000000.tar"
    path.write_bytes(path.read_bytes().replace(b"002.jpg", b"003.jpg", 1))  # so that its checksum is wrong
    manifest = run(shards, tmp_path / "out", step, on_error="skip")
    assert [entry["path"] for entry in manifest.skipped] == ["train-000000.tar"]
    assert manifest.steps[0].columns[""]["eligible"] == 3


@pytest.mark.parametrize(
    ("head", "files"),
    [
        ({"copies": 2, "keep_original": True}, ["copy=0/{}", "copy=1/{}", "copy=2/{}"]),
        ({"copies": 2, "layout": "merged"}, ["train-00000{}__c1.tar", "train-00000{}__c2.tar"]),
        ({"layout": "imagenet-c", "sweep": {"severity": [1, 2], "steps": "alone"}}, ["gaussian_noise/1/{}"]),
    ],
)
def test_layouts_go_by_the_names_of_tars(shards: Path, tmp_path: Path, head: dict[str, Any], files: list[str]) -> None:
    step = {"op": "gaussian_noise", "severity": 1}
    manifest = run(shards, tmp_path / "out", step, **head)
    paths = {entry.path for entry in manifest.outputs}
    assert {file.format(0 if "{}__" in file else "train-000000.tar") for file in files} <= paths
    clean = tmp_path / "out/copy=0/train-000000.tar"
    assert not clean.exists() or clean.read_bytes() == (shards / clean.name).read_bytes()


def test_every_image_may_go_through_the_encoder(shards: Path, tmp_path: Path) -> None:
    manifest = run(shards, tmp_path / "out", {**NOISE, "rate": 0}, encode="every", keep_original=True)
    clean, copy = (tmp_path / f"out/copy={i}/train-000000.tar" for i in (0, 1))
    assert clean.read_bytes() == copy.read_bytes() != (shards / clean.name).read_bytes()
    assert manifest.steps[0].columns[""]["struck"] == 0
    with pytest.raises(UsageProblem, match=r"^train-000000.tar: `encode: exact` renames"):
        run(shards, tmp_path / "exact", encode="exact")
    with pytest.raises(UsageProblem, match=r"^train-000000.tar: `encode: exact` renames"):
        run(shards / "train-000000.tar", tmp_path / "exact.tar", encode="exact")
    with pytest.raises(UsageProblem, match=r"^train-000000.tar: `provenance`"):
        run(shards, tmp_path / "told", data={"provenance": True})
    for op in ("mixup", "duplicate", "label_flip"):
        with pytest.raises(RecipeProblem, match=rf"'{op}' is for folders of images, and train-000000.tar is a tar"):
            run(shards, tmp_path / "mixed", {"op": op})


def test_commands_on_tars(
    shards: Path, tmp_path: Path, command: Callable[..., Any], recipe: Callable[..., Path]
) -> None:
    noise, out = recipe("op: gaussian_noise, sigma: 0.1"), tmp_path / "out"
    assert command("augment", shards, "-r", noise, "-o", out, "--dry-run").code == 0
    assert command("augment", shards, "-r", noise, "-o", out).code == 0
    kept = (out / "train-000000.tar").stat().st_mtime_ns
    assert command("augment", shards, "-r", noise, "-o", out, "--if-changed").code == 0
    assert (out / "train-000000.tar").stat().st_mtime_ns == kept
    assert command("verify", out, "--input", shards).code == 0
    for arguments in (
        ("init", shards),
        ("diff", shards, out),
        ("diff", shards / "train-000000.tar", out / "train-000000.tar"),
        ("report", out, "--input", shards, "-o", tmp_path / "r.html"),
    ):
        done = command(*arguments)
        assert done.code == 2
        assert len(done.errors) == 1
        assert "tars" in done.err
    sheet = tmp_path / "sheet.png"
    seen = command("preview", shards, "-r", noise, "-o", sheet, "--json")
    assert seen.code == 0, seen.err
    assert sheet.stat().st_size > 0
    assert {image["path"] for image in seen.json["images"]} <= {
        f"train-00000{i}.tar/0{i}{j}.jpg" for i in (0, 1) for j in range(3)
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its files open
def test_webdataset_reads_labels_beside_noisy_pixels(shards: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    run(shards, tmp_path / "out")
    urls = [str(tmp_path / f"out/train-00000{i}.tar") for i in (0, 1)]
    found = list(
        webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple("__key__", "jpg", "cls", "json")
    )
    gc.collect()  # the files that it leaves open, before another test is blamed
    assert [(key, label, note) for key, _, label, note in found] == [
        (f"{i:03}", i, {"index": i}) for i in (0, 1, 2, 10, 11, 12)
    ]
    for _, noisy, label, _ in found:
        assert np.abs(noisy.mean() - (40 + label)) < 5
        assert noisy.std() > 10
