"""Folders of images as Hugging Face knows them: metadata follow the images to new names, and to every copy."""

import csv
import gc
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from noisecli.errors import DataProblem, NoiseError, RecipeProblem, UsageProblem
from noisecli.manifest import verify
from noisecli.run import augment, replay

Command = Callable[..., Any]
Load = Callable[[Path], Any]

# Hugging Face leaves the CSV files open that it reads.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

HEAD = {"noisecli": 1, "seed": 5, "purpose": "evaluate"}
STEPS = [
    {"op": "brightness", "rate": 0.5, "id": "lamp", "files": ["*1.jpg"]},
    {"op": "cutout", "id": "hole", "size": 0.5},
]
EXACT: dict[str, Any] = {"encode": "exact"}
MIXUP = {**HEAD, "target": "images", "steps": [{"op": "mixup", "rate": 1}]}
MERGED: dict[str, Any] = {"layout": "merged", "copies": 2}

CSV = 'note,"file_name",n\r\n"a, b",cats/1.jpg,01\r\nc,"./dogs/1.jpg",2.50\r\nd,gone.jpg,3\r\n"e",cats/2.gif,4'


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes: two JPEGs, a GIF that is not read, and a mask of another kind."""
    root = tmp_path / "photos"
    for i, name in enumerate(("cats/1.jpg", "dogs/1.jpg", "cats/2.gif", "dogs/2.gif")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((24, 24), 40 * i + 60, np.uint8)).save(root / name)
    (root / "cats/1.mask").write_bytes(b"\x00\x01")
    return root


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Read a folder by Hugging Face, offline."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")

    def read(root: Path) -> Any:
        return datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path / "cache"))

    yield read
    gc.collect()  # the files that it leaves open, before another test is blamed


def run(photos: Path, out: Path, **head: Any) -> Path:
    """Make a set, and check that it holds up; give its folder."""
    done = augment(photos, {**HEAD, "steps": STEPS, **head}, out)
    assert verify(out, photos)[1] == []
    assert replay(out, photos, out.with_name("again"), force=True)[1:] == ([], [])
    return done.output


def test_csv_changes_in_the_names_alone(photos: Path, tmp_path: Path) -> None:
    (photos / "metadata.csv").write_bytes(CSV.encode())
    exact = run(photos, tmp_path / "exact", **EXACT)
    assert (exact / "metadata.csv").read_bytes().decode() == CSV.replace("1.jpg", "1.png")
    merged = run(photos, tmp_path / "merged", **MERGED, keep_original=True, encode="exact")
    head, cat, dog, gone, carried = CSV.split("\r\n")
    copies = [[row.replace("1.jpg", f"1__c{copy}.png") for copy in range(3)] for row in (cat, dog)]
    assert (merged / "metadata.csv").read_bytes().decode().split("\r\n") == [
        head,
        *copies[0],
        *copies[1],
        gone,
        carried,
    ]
    assert (merged / "cats/1.mask").read_bytes() == (photos / "cats/1.mask").read_bytes()
    plain = run(photos, tmp_path / "plain", copies=2, keep_original=True)
    assert [(plain / f"copy={i}/metadata.csv").read_bytes() for i in range(3)] == [CSV.encode()] * 3


def test_names_follow_however_they_are_spelled(photos: Path, tmp_path: Path) -> None:
    for name in ("[1].jpg", "cats/Zoë ☃.JPG"):
        (photos / name).write_bytes((photos / "cats/1.jpg").read_bytes())
    names = ["cats//1.jpg", ".//dogs/1.jpg", "[1].jpg", "cats/Zoë ☃.JPG"]
    rows = [f"{name},x" for name in names] + ["cats/1.jpg,x,a cell too many"]
    (photos / "metadata.csv").write_text("\n".join(["file_name,_copy", *rows, ""]), encoding="utf-8")
    (photos / "metadata.json").write_text("no table of names")
    out = run(photos, tmp_path / "out", layout="merged", keep_original=True)
    copies = [f"{name[:-4]}__c{copy}{name[-4:]},x" for name in names for copy in (0, 1)]
    assert (out / "metadata.csv").read_text(encoding="utf-8").splitlines() == ["file_name,_copy", *copies, rows[-1]]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"file_name": "cats\\1.jpg"}, {"file_name": "cats\\1.png"}),
        ({"pair": {"file_name": "cats/1.jpg", "n": 1}}, {"pair": {"file_name": "cats/1.png", "n": 1}}),
        ({"frames": [{"file_name": "cats/1.jpg"}]}, {"frames": [{"file_name": "cats/1.png"}]}),
    ],
    ids=["backslash", "nested", "list"],
)
def test_names_follow_wherever_huggingface_finds_them(photos: Path, tmp_path: Path, row: Any, expected: Any) -> None:
    (photos / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    out = run(photos, tmp_path / "out", **EXACT)
    assert json.loads((out / "metadata.jsonl").read_text()) == expected


@pytest.mark.parametrize("row", ["dogs/no.jpg,1", "dogs/1.jpg,1,a cell too many"])
def test_rows_that_cannot_follow_are_counted(photos: Path, tmp_path: Path, row: str) -> None:
    (photos / "metadata.csv").write_text(f"file_name,n\ncats/1.jpg,1\n{row}\n")
    done = augment(photos, {**HEAD, "steps": STEPS, **EXACT}, tmp_path / "out")
    assert any("metadata.csv" in line for line in done.manifest.warnings)


def test_an_image_of_two_classes_is_refused(photos: Path, tmp_path: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,kind\ncats/1.jpg,a\ncats/1.jpg,b\ndogs/1.jpg,b\n")
    with pytest.raises(DataProblem, match=r"cats/1\.jpg"):
        augment(photos, {**MIXUP, "data": {"label": "kind"}}, tmp_path / "out")


@pytest.mark.parametrize("metadata", ["name,n\ncats/1.jpg,1\n", "file_name,n\ncats/no.jpg,1\n"])
def test_no_soft_label_is_lost_without_a_word(photos: Path, tmp_path: Path, metadata: str) -> None:
    (photos / "metadata.csv").write_text(metadata)
    with pytest.raises(DataProblem, match=r"metadata\.csv"):
        augment(photos, MIXUP, tmp_path / "out")


def test_every_label_has_a_mass_of_one(photos: Path, tmp_path: Path) -> None:
    for name in ("train", "test"):
        (photos / name).mkdir()
    for name in ("cats", "dogs"):
        (photos / name).rename(photos / "train" / name)
    (photos / "test/owls").mkdir()
    (photos / "test/owls/1.jpg").write_bytes((photos / "train/cats/1.jpg").read_bytes())
    out = augment(photos, {**MIXUP, "purpose": "train"}, tmp_path / "out").output
    for path in out.rglob("metadata.csv"):
        with path.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert sum(float(value) for name, value in row.items() if "__p__" in name) == pytest.approx(1), path


def test_a_row_with_a_carried_image_belongs_to_its_copy(photos: Path, tmp_path: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,mask_file_name\ncats/2.gif,cats/1.jpg\n")
    out = run(photos, tmp_path / "out", **MERGED, data={"provenance": True})
    with (out / "metadata.csv").open(encoding="utf-8") as file:
        assert [row["_copy"] for row in csv.DictReader(file)] == ["1", "2"]


def test_a_row_of_several_images_tells_each_step_once(photos: Path, tmp_path: Path) -> None:
    (photos / "metadata.csv").write_text("file_name,mask_file_name\ncats/1.jpg,dogs/1.jpg\n")
    out = run(photos, tmp_path / "out", steps=STEPS[1:], data={"provenance": True})
    assert (out / "metadata.csv").read_text().splitlines()[1] == "cats/1.jpg,dogs/1.jpg,1,cats/1.jpg,hole"


def test_an_image_that_cannot_be_read_keeps_its_name(photos: Path, tmp_path: Path) -> None:
    (photos / "cats/3.jpg").write_bytes(b"no image")
    (photos / "cats/metadata.csv").write_text("file_name\n3.jpg\n1.jpg\n")
    out = run(photos, tmp_path / "out", **EXACT, on_error="skip", data={"provenance": True})
    found = (out / "cats/metadata.csv").read_text().splitlines()
    assert found[1] == "3.jpg,1,cats/3.jpg,-"
    assert found[2].startswith("1.png,1,cats/1.jpg,")


def test_json_lines_keep_all_but_names(photos: Path, tmp_path: Path) -> None:
    text = (
        '{"file_name": "1.jpg",  "box": [1.0, 2], "depth_file_name":"2.gif"}\n\n'
        '{"z":1e3,"file_names":["1.jpg","nö.jpg",null],"file_name":null}\n'
    )
    (photos / "cats/metadata.jsonl").write_text(text, encoding="utf-8")
    out = run(photos, tmp_path / "out", **MERGED)
    first, second = text.split("\n\n")
    rows = [first.replace("1.jpg", f"1__c{copy}.jpg") for copy in (1, 2)]
    rows += [second[:-1].replace('["1.jpg","nö.jpg",null]', f'["1__c{copy}.jpg", "nö.jpg", null]') for copy in (1, 2)]
    assert list(filter(None, (out / "cats/metadata.jsonl").read_text(encoding="utf-8").split("\n"))) == rows


def test_parquet_keeps_its_schema(photos: Path, tmp_path: Path) -> None:
    names = pa.array(["dogs/1.jpg", "gone.jpg", "cats/1.jpg"]).dictionary_encode()
    lists = pa.array([["cats/1.jpg", "cats/2.gif"], None, []], pa.list_(pa.string()))
    wide = lists.cast(pa.large_list(pa.large_string()))
    boxes = [{"at": [[1, 2]], "kind": ["a"]}, None, {"at": [], "kind": None}]
    table = pa.table({"box": boxes, "file_name": names, "seen_file_names": lists, "wide_file_names": wide})
    table = table.replace_schema_metadata({"origin": "a camera"})
    pq.write_table(table, photos / "metadata.parquet")
    found = pq.read_table(run(photos, tmp_path / "out", **EXACT) / "metadata.parquet")
    assert found.column("file_name").to_pylist() == ["dogs/1.png", "gone.jpg", "cats/1.png"]
    for name in ("seen_file_names", "wide_file_names"):
        assert found.column(name).to_pylist() == [["cats/1.png", "cats/2.gif"], None, []]
    assert found.column("box").equals(table.column("box"))
    assert found.schema.metadata[b"origin"] == b"a camera"
    assert [field.type for field in found.schema][::2] == [field.type for field in table.schema][::2]
    merged = run(photos, tmp_path / "merged", **MERGED, data={"provenance": True})
    found = pq.read_table(merged / "metadata.parquet")
    assert found.column("box").to_pylist() == [boxes[row] for row in (0, 0, 1, 2, 2)]
    assert found.column("_copy").to_pylist() == [1, 2, None, 1, 2]
    assert found.column("_source").to_pylist() == ["dogs/1.jpg"] * 2 + [None] + ["cats/1.jpg"] * 2


def test_metadata_of_which_nothing_changes_keep_their_bytes(photos: Path, tmp_path: Path) -> None:
    table = pa.table({"file_name": ["cats/2.gif", "gone.jpg"], "n": [1, 2]})
    pq.write_table(table, photos / "metadata.parquet", compression="gzip", store_schema=False)
    before = (photos / "metadata.parquet").read_bytes()
    done = augment(photos, {**HEAD, "steps": STEPS, **EXACT}, tmp_path / "out")
    assert (done.output / "metadata.parquet").read_bytes() == before
    assert [entry.carried for entry in done.manifest.outputs if entry.path == "metadata.parquet"] == [True]


@pytest.mark.parametrize(
    "head",
    [EXACT, MERGED, {**MERGED, **EXACT}, {"copies": 2}, {"layout": "imagenet-c", "keep_original": True}],
    ids=["exact", "merged", "both", "copies", "imagenet-c"],
)
def test_huggingface_reads_every_tree(head: dict[str, Any], photos: Path, tmp_path: Path, load: Load) -> None:
    rows = [{"file_name": f"{kind}/1.jpg", "kind": kind, "n": 7} for kind in ("cats", "dogs")]
    (photos / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = {
        "sweep": {"steps": "alone", "severity": [1, 3]},
        "steps": [{"op": op, "severity": 1} for op in ("fog", "contrast")],
    }
    head = {**head, **benchmark} if head.get("layout") == "imagenet-c" else head
    out = run(photos, tmp_path / "out", **head, data={"provenance": True})
    metadata = sorted(out.rglob("metadata.jsonl"))
    assert len(metadata) == {"copies": 2, "imagenet-c": 5}.get(
        head.get("layout", "copies" if "copies" in head else ""), 1
    )
    for path in metadata:
        read = load(path.parent)["train"]
        assert list(read.features) == ["image", "kind", "n", "_copy", "_source", "_steps"]
        assert len(read) == (4 if head.get("layout") == "merged" else 2)
        for row in read:
            name = f"1__c{row['_copy']}" if head.get("layout") == "merged" else "1"
            written = path.parent / row["kind"] / f"{name}.{'png' if 'encode' in head else 'jpg'}"
            assert row["image"].tobytes() == Image.open(written).tobytes()
            assert (row["_source"], row["n"]) == (f"{row['kind']}/1.jpg", 7)
            clean = Image.open(photos / row["_source"]).tobytes()
            assert (row["_steps"] == "-") == (row["image"].tobytes() == clean)


def test_provenance_is_written_where_there_was_no_metadata(photos: Path, tmp_path: Path, load: Load) -> None:
    out = run(photos, tmp_path / "out", **MERGED, data={"provenance": True})
    with (out / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    copies = {(f"{kind}/1__c{i}.jpg", kind, str(i), f"{kind}/1.jpg") for kind in ("cats", "dogs") for i in (1, 2)}
    carried = {(f"{kind}/2.gif", kind, "1", f"{kind}/2.gif") for kind in ("cats", "dogs")}
    assert {tuple(row.values())[:4] for row in rows} == copies | carried
    manifest, _ = verify(out)
    drawn = {e.path: " ".join(step["id"] for step in STEPS if step["id"] in (e.drawn or {})) for e in manifest.outputs}
    assert {row["file_name"]: row["_steps"] for row in rows} == {
        row["file_name"]: drawn[row["file_name"]] or "-" for row in rows
    }
    assert {row["_steps"] for row in rows} == {"-", "hole", "lamp hole"}
    read = load(out)["train"]
    assert sorted(zip(read["_source"], read["_copy"], read["label"], strict=True)) == sorted(
        (row["_source"], int(row["_copy"]), row["label"]) for row in rows
    )


def test_each_copy_gets_its_own(photos: Path, tmp_path: Path) -> None:
    (photos / "cats").rename(photos / "1")  # as in copy=1
    (photos / "dogs/1.jpg").rename(photos / "dogs/1.JPG")
    out = run(photos, tmp_path / "out", copies=2, keep_original=True, data={"provenance": True})
    names = ["1/1.jpg", "1/2.gif", "dogs/1.JPG", "dogs/2.gif"]
    for copy in range(3):
        with (out / f"copy={copy}/metadata.csv").open(encoding="utf-8") as file:
            rows = [list(row.values())[:4] for row in csv.DictReader(file)]
        assert rows == [[name, name.partition("/")[0], str(copy), name] for name in names]
    made = {entry.path: entry.copy_number for entry in verify(out)[0].outputs}
    assert [made[f"copy={copy}/metadata.csv"] for copy in range(3)] == [0, 1, 2]
    merged = run(photos, tmp_path / "merged", layout="merged", copies=10, data={"provenance": True})
    with (merged / "metadata.csv").open(encoding="utf-8") as file:
        rows = [[row["_source"], row["_copy"]] for row in csv.DictReader(file)]
    assert rows == [[name, str(copy)] for name in names for copy in ([1] if ".gif" in name else range(1, 11))]


@pytest.mark.parametrize(
    ("names", "metadata"),
    [
        (["cats/1.jpg", "cats/2.jpg"], ["metadata.csv"]),
        (["cats/1.jpg", "dogs/small/1.jpg"], ["metadata.csv"]),
        (["1.jpg", "dogs/1.jpg"], ["metadata.csv"]),
        (["Train/1.jpg", "split=test/1.jpg"], ["Train/metadata.csv", "split=test/metadata.csv"]),
    ],
    ids=["one", "depths", "beside", "splits"],
)
def test_folders_that_are_no_classes_are_no_labels(photos: Path, tmp_path: Path, names: Any, metadata: Any) -> None:
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes((photos / "cats/1.jpg").read_bytes())
    out = run(tmp_path / "in", tmp_path / "out", steps=STEPS[1:], data={"provenance": True})
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.csv")) == metadata
    for name in metadata:
        assert (out / name).read_text().splitlines()[0] == "file_name,_copy,_source,_steps"


def test_each_split_gets_its_own(photos: Path, tmp_path: Path, load: Load) -> None:
    (tmp_path / "splits").mkdir()
    photos.rename(tmp_path / "splits/train")
    (tmp_path / "splits/test").mkdir()
    for kind in ("cats", "dogs"):
        (tmp_path / "splits/test" / kind).mkdir()
        (tmp_path / "splits/test" / kind / "9.jpg").write_bytes(
            (tmp_path / "splits/train" / kind / "1.jpg").read_bytes()
        )
    out = run(tmp_path / "splits", tmp_path / "out", purpose="train", encode="exact", data={"provenance": True})
    read = load(out)
    assert {split: sorted(read[split]["_source"]) for split in read} == {
        "train": [f"train/{name}" for name in ("cats/1.jpg", "cats/2.gif", "dogs/1.jpg", "dogs/2.gif")],
        "test": ["test/cats/9.jpg", "test/dogs/9.jpg"],
    }
    assert set(read["test"]["_steps"]) == {"-"}
    assert sorted(read["test"]["label"]) == ["cats", "dogs"]


def test_what_has_no_place_is_refused(photos: Path, tmp_path: Path, command: Command) -> None:
    asked = {**HEAD, "data": {"provenance": True}, "steps": STEPS}
    with pytest.raises(UsageProblem, match="in a folder of images, and this is one"):
        augment(photos / "cats/1.jpg", asked, tmp_path / "out.jpg")
    (photos / "metadata.csv").write_text("file_name,_copy\ncats/1.jpg,1\n")
    with pytest.raises(DataProblem, match="has a column '_copy' already"):
        augment(photos, asked, tmp_path / "out")
    (photos / "metadata.csv").write_text('file_name\n"cats/1.jpg\n')
    with pytest.raises(DataProblem, match=r"never ends .*on_error: skip"):
        augment(photos, {**HEAD, "steps": STEPS, **EXACT}, tmp_path / "out")
    done = augment(photos, {**HEAD, "steps": STEPS, **EXACT, "on_error": "skip"}, tmp_path / "out")
    assert done.manifest.skipped[0]["path"] == "metadata.csv"
    assert (tmp_path / "out/metadata.csv").read_bytes() == (photos / "metadata.csv").read_bytes()
    with pytest.raises(RecipeProblem, match="provenance is for images"):
        augment(photos / "metadata.csv", {**asked, "steps": [{"op": "drop"}]}, tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"data": {"source_row": True}}, "source_row is for tables: say `provenance: true`"),
        ({"data": {"label": "file_name"}}, "'file_name' names the files, not their classes"),
        ({"target": "images", "steps": [{"op": "mixup", "columns": "n"}]}, "op 'mixup': it is for steps on tables"),
    ],
)
def test_what_is_for_tables_is_not_passed_over(
    photos: Path, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    (photos / "metadata.csv").write_text("file_name,split\ncats/1.jpg,test\n")
    with pytest.raises(NoiseError, match=re.escape(told)):
        augment(photos, {**HEAD, "steps": [{"op": "label_flip"}], **changed}, tmp_path / "out")
