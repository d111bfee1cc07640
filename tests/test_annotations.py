"""Boxes and masks beside images: masks are never struck, what would not fit is refused, and all follow their images."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from noisecli.annotations import boxes, coco
from noisecli.errors import DataProblem, NoiseError, RecipeProblem
from noisecli.manifest import verify
from noisecli.run import augment, inspect, replay

Command = Callable[..., Any]

HEAD = {"noisecli": 1, "seed": 5, "purpose": "evaluate", "target": "images"}
NOISE = [{"op": "gaussian_noise", "sigma": 0.2}]
MOVE = [{"op": "pixel_shift", "most": 3, "rate": 0.5}]
EXACT: dict[str, Any] = {"encode": "exact"}
MERGED: dict[str, Any] = {"layout": "merged", "copies": 2}
CAT = "0 0.5 0.5 0.25 0.5\n1 0.1 0.2 0.05 0.1\n"
VOC = "<annotation><filename>{}</filename><object><name>cat</name><bndbox><xmin>3</xmin></bndbox></object></annotation>"


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> None:
    """Write a picture of a few levels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[::-1]) % 3
    if mode == "P":
        shown = Image.fromarray(levels).convert("P")
        shown.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    else:
        shown = Image.fromarray(levels * 60 + 40).convert(mode)
    shown.save(path)


def folder(root: Path, *pictures: str, **modes: str) -> Path:
    for name in pictures:
        name, _, mode = name.partition(":")
        picture(root / name, mode or "RGB")
    return root


def write(root: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def carried(root: Path, tmp_path: Path, **head: Any) -> set[str]:
    """Pictures that come out as they were, though every image is struck; the pictures of the others differ."""
    done = augment(root, {**HEAD, "steps": NOISE, **head}, tmp_path / "out", force=True)
    pictures = [entry for entry in done.manifest.outputs if entry.path.endswith((".png", ".jpg"))]
    assert all(entry.carried == (entry.drawn is None) for entry in pictures)
    return {entry.path for entry in pictures if entry.carried}


@pytest.mark.parametrize(
    ("names", "masks"),
    [
        (["images/1.jpg", "masks/1.png:P"], {"masks/1.png"}),
        (["images/train/1.jpg", "masks/train/1.png"], {"masks/train/1.png"}),
        (["train/1.jpg", "train_masks/1_mask.png:L"], {"train_masks/1_mask.png"}),
        (["JPEGImages/1.jpg", "SegmentationClass/1.png:P", "SegmentationObject/1.png:P"], {"SegmentationClass/1.png"}),
        (["leftImg8bit/a/1_leftImg8bit.png", "gtFine/a/1_gtFine_labelIds.png:L", "gtFine/a/1_gtFine_color.png"], None),
        (["1.jpg", "1_mask.png", "1_mask_2.png"], {"1_mask.png", "1_mask_2.png"}),
        (["1_sat.jpg", "1_mask.png"], {"1_mask.png"}),
        (["raw/1.jpg", "ground_truth/1.png:L"], {"ground_truth/1.png"}),
        (["a/1.jpg", "b/1.jpg", "masks/a/1.png:1", "masks/b/1.png:1"], {"masks/a/1.png", "masks/b/1.png"}),
        (["images/1.jpg", "mask/1.png:L"], {"mask/1.png"}),
        (["images/1.jpg", "masks/1.png", "masks/2.png", "masks/3.png"], {f"masks/{i}.png" for i in (1, 2, 3)}),
        # Classes, or anything else of that name.
        (["images/1.jpg", "mask/1.png:RGB"], set()),
        (["mask/1.png:L", "no_mask/1.png:L"], set()),
        (["train/labels/1.png", "train/bottles/1.png"], set()),
        (["masks/1.png:L", "masks/2.png:L", "hats/3.png:L"], set()),
        (["masks/1.png:RGB", "hats/1.png:RGB"], set()),
        (["1.png", "white_mask.png", "face-mask.png"], set()),
        (["wine.jpg", "wine_label.jpg", "wine_label.png", "wine_mask.jpg"], set()),
    ],
)
def test_masks_are_found_by_their_names(names: list[str], masks: set[str] | None, tmp_path: Path) -> None:
    found = carried(folder(tmp_path / "in", *names), tmp_path)
    expected = {name.partition(":")[0] for name in names if "gtFine" in name} if masks is None else masks
    assert expected <= found
    assert masks is None or not masks or "Segm" in names[1] or found == masks
    assert masks != set() or found == set()


def test_masks_of_another_size_are_images(tmp_path: Path) -> None:
    root = folder(tmp_path / "in", "images/1.jpg")
    picture(root / "masks/1.png", "L", (10, 10))
    assert carried(root, tmp_path) == set()


def test_the_recipe_says_which_are_masks(tmp_path: Path) -> None:
    root = folder(tmp_path / "in", "images/1.jpg", "masks/1.png:L", "heat/1.jpg:L")
    assert carried(root, tmp_path, data={"masks": []}) == set()
    assert carried(root, tmp_path, data={"masks": "heat/*"}) == {"heat/1.jpg"}
    with pytest.raises(RecipeProblem, match=r"no file is at 'hot/\*': paths are like 'heat/1.jpg'"):
        inspect(root, {**HEAD, "steps": NOISE, "data": {"masks": ["hot/*"]}})
    with pytest.raises(DataProblem, match="no image to strike beside 3 masks"):
        inspect(root, {**HEAD, "steps": NOISE, "data": {"masks": ["*"]}})
    (tmp_path / "table.csv").write_text("a\n1\n")
    with pytest.raises(RecipeProblem, match="masks are pictures, this is for tables"):
        inspect(tmp_path / "table.csv", {**HEAD, "target": "table", "steps": [{"op": "drop"}], "data": {"masks": []}})


def test_every_door_says_what_is_carried(tmp_path: Path, command: Command, recipe: Callable[..., Path]) -> None:
    root = folder(tmp_path / "in", "images/1.jpg", "images/2.jpg", "masks/1.png:P", "masks/2.png:P")
    asked = recipe("op: gaussian_noise", purpose="evaluate")
    line = "carried as masks: 2 in masks/"
    assert line in command("augment", root, "-r", asked, "-o", tmp_path / "out").err
    assert line in command("augment", root, "-r", asked, "-o", tmp_path / "no", "--dry-run").err
    assert line in command("validate", asked, root).err
    shown = command("preview", root, "-r", asked, "-o", tmp_path / "sheet.png")
    assert line in " ".join((shown.out + shown.err).split())
    quiet = recipe("op: gaussian_noise", purpose="evaluate", data="{masks: masks/*}")
    assert line not in command("augment", root, "-r", quiet, "-o", tmp_path / "quiet").err


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"labels/1.txt": CAT}, "images/1.jpg has boxes in labels/1.txt"),
        ({"images/1.txt": "0 0.1 0.2 0.3 0.4 0.9 0.8\n"}, "boxes in images/1.txt"),
        ({"Annotations/1.xml": VOC}, "boxes in Annotations/1.xml"),
        ({"images/1.json": '{"shapes": [{"points": [[1, 2]]}]}'}, "boxes in images/1.json"),
        (
            {
                "all.json": json.dumps(
                    {"images": [{"id": 3, "file_name": "1.jpg"}], "annotations": [{"id": 1, "image_id": 3}]}
                )
            },
            "boxes in all.json",
        ),
        ({"images/metadata.csv": "file_name,bbox\n1.jpg,3\n"}, "boxes in images/metadata.csv"),
        ({"images/metadata.jsonl": '{"file_name": "1.jpg", "objects": {"bbox": []}}\n'}, "metadata.jsonl"),
        ({"_annotations.csv": "filename,xmin,ymin\n1.jpg,1,2\n"}, "boxes in _annotations.csv"),
        # What says nothing of places.
        ({"images/1.txt": "2 cats on 1 mat\n"}, ""),
        ({"images/1.txt": "1 2 3 4 5\n"}, ""),
        ({"labels/1.txt": ""}, ""),
        ({"images/1.xml": "<svg><object/></svg>"}, ""),
        ({"images/metadata.csv": "file_name,label\n1.jpg,3\n"}, ""),
        ({"all.json": '{"images": [{"id": 3, "file_name": "1.jpg"}], "annotations": []}'}, ""),
        ({"all.json": '{"images": [{"id": 3, "file_name": "9.jpg"}], "annotations": [{"image_id": 3}]}'}, ""),
        ({"all.json": '{"images": 3, "annotations": [{}, 1, [2]]}'}, ""),
        ({"config.json": '{"lr": 0.1'}, ""),
    ],
)
def test_what_moves_is_refused_beside_boxes(texts: dict[str, str], said: str, tmp_path: Path) -> None:
    root = write(folder(tmp_path / "in", "images/1.jpg", "images/2.jpg"), texts)
    if not said:
        inspect(root, {**HEAD, "steps": MOVE})
        return
    with pytest.raises(RecipeProblem) as refused:
        inspect(root, {**HEAD, "steps": MOVE})
    assert "step 'pixel_shift' (op 'pixel_shift') moves what is in a picture, and" in str(refused.value)
    assert said in str(refused.value)
    assert "take another op, or leave such images out by `files`" in str(refused.value)
    inspect(root, {**HEAD, "steps": NOISE})
    inspect(root, {**HEAD, "steps": [{**MOVE[0], "rate": 0}]})
    if "metadata" not in said and "_ann" not in said:
        inspect(root, {**HEAD, "steps": [{**MOVE[0], "files": "*2.jpg"}]})


def test_what_moves_is_refused_beside_masks(tmp_path: Path, command: Command, recipe: Callable[..., Path]) -> None:
    root = folder(tmp_path / "in", "images/1.jpg", "images/2.jpg", "masks/1.png:P")
    turned = {**HEAD, "steps": [{"op": "wrong_orientation"}]}
    with pytest.raises(RecipeProblem, match=r"1\.jpg has a mask in masks/1\.png: .*masks: \[\]\}` if it is none"):
        inspect(root, turned)
    inspect(root, {**turned, "data": {"masks": []}})
    swept = recipe("op: elastic, severity: 1", purpose="evaluate", sweep="{severity: [0, 1]}")
    for words in (["augment", root, "-r", swept, "-o", tmp_path / "o"], ["preview", root, "-r", swept, "-o", "s.png"]):
        refused = command(*words)
        assert refused.code == 2
        assert len(refused.errors) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": ' + "[" * 100_000,
        '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [',
        '{"images": [1] "annotations": []}',
        '{"images": [' + "9" * 9000 + '], "annotations": []}',
        '{"images": [], "annotations": []} {',
    ],
    ids=["deep", "cut", "comma", "digits", "twice"],
)
def test_json_that_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    root = write(folder(tmp_path / "in", "images/1.jpg"), {"a.json": text})
    with pytest.raises(DataProblem, match=r"a\.json: looks like COCO annotations but cannot be read"):
        inspect(root, {**HEAD, "steps": MOVE})
    inspect(root, {**HEAD, "steps": NOISE})


def test_little_is_read_of_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(folder(tmp_path / "in", "images/1.jpg"), {"a.json": '{"images": []}', "b.json": "[1, 2]" * 9})
    monkeypatch.setattr(coco, "MOST_BYTES", 12)
    with pytest.raises(DataProblem, match=r"a\.json: 14 bytes are too many for COCO annotations \(at most 12\)"):
        inspect(root, {**HEAD, "steps": MOVE})
    (root / "a.json").write_bytes(b'\xff{"images"}')
    inspect(root, {**HEAD, "steps": MOVE})
    (root / "images/1.txt").write_bytes(b"0 0.5 0.5 0.5 0.5\n" * boxes.HEAD_BYTES + b"\xff\xfe")
    with pytest.raises(RecipeProblem, match=r"boxes in images/1\.txt"):
        inspect(root, {**HEAD, "steps": MOVE})


@pytest.fixture
def detection(tmp_path: Path) -> Path:
    """Two splits with images of the same names, in every form that boxes have."""
    root = tmp_path / "in"
    for split, first in (("train", 1), ("val", 3)):
        folder(root, f"images/{split}/a.jpg", f"images/{split}/b.png", f"masks/{split}/a.png:P")
        write(root, {f"labels/{split}/a.txt": CAT, f"images/{split}/b.txt": "a cat", f"Annotations/{split}/b.xml": VOC})
        images = [{"id": first, "file_name": "a.jpg", "width": 24}, {"file_name": "b.png", "id": first + 1}]
        about = [(first + 1, [1.5, 2.0]), (first, [3, 4]), (99, [5, 6])]
        annotations = [
            {"id": 7 + i, "image_id": of, "bbox": box, "category_id": 1} for i, (of, box) in enumerate(about)
        ]
        told = {"info": {"é": 1.1}, "annotations": annotations, "images": images, "categories": [{"id": 1}]}
        (root / "annotations").mkdir(exist_ok=True)
        text = json.dumps(told, indent=1, ensure_ascii=False).replace("1.1", "1.10")
        (root / f"annotations/instances_{split}.json").write_text(text)
    (root / "data.yaml").write_text("names: [cat]\n")
    return root


def made(root: Path, out: Path, **head: Any) -> Path:
    """Make a set, and check that it holds up; give its folder."""
    done = augment(root, {**HEAD, "steps": NOISE, **head}, out)
    assert verify(out, root)[1] == []
    assert replay(out, root, out.with_name("again"), force=True, workers=2)[1:] == ([], [])
    return done.output


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_where_names_stay_all_is_carried(detection: Path, tmp_path: Path) -> None:
    out = made(detection, tmp_path / "out", copies=2)
    assert files(out / "copy=2") == files(detection)
    for name in files(detection):
        is_struck = name.startswith("images/") and not name.endswith(".txt")
        assert ((out / "copy=2" / name).read_bytes() == (detection / name).read_bytes()) == (not is_struck)


def test_files_of_an_image_follow_it_to_every_copy(detection: Path, tmp_path: Path) -> None:
    out = made(detection, tmp_path / "out", **MERGED, purpose="train", keep_original=True, encode="exact")
    copies = {f"{kind}__c{i}" for kind in "ab" for i in range(3)}
    follow = {"a": [("labels/train", ".txt"), ("masks/train", ".png")], "b": [("Annotations/train", ".xml")]}
    follow["b"].append(("images/train", ".txt"))
    expected = {f"images/train/{name}.png" for name in copies}
    expected |= {f"{place}/{name}{end}" for name in copies for place, end in follow[name[0]]}
    held_out = {name for name in files(detection) if "/val/" in name}
    told = {"data.yaml", "annotations/instances_train.json", "annotations/instances_val.json"}
    assert files(out) == expected | held_out | told
    for name in expected:
        if not name.startswith("images/train/") or name.endswith(".txt"):
            assert (out / name).read_bytes() == (detection / (name[:-8] + name[-4:]).replace("__", "")).read_bytes()
    name = "annotations/instances_val.json"
    assert (out / name).read_bytes() == (detection / name).read_bytes()


def test_coco_names_the_new_files(detection: Path, tmp_path: Path) -> None:
    before = (detection / "annotations/instances_train.json").read_text()
    exact = made(detection, tmp_path / "exact", **EXACT, purpose="train") / "annotations/instances_train.json"
    assert json.loads(exact.read_text()) == json.loads(before.replace("a.jpg", "a.png"))
    end = before.index('"images"')
    assert exact.read_text()[:end] == before[:end]  # what names no file keeps its bytes
    merged = made(detection, tmp_path / "merged", **MERGED, keep_original=True) / "annotations/instances_train.json"
    told = json.loads(merged.read_text())
    step = coco.ID_STEP
    assert list(told) == ["info", "annotations", "images", "categories"]
    assert [(entry["id"], entry["file_name"]) for entry in told["images"]] == [
        *((1 + step * i, f"a__c{i}.jpg") for i in range(3)),
        *((2 + step * i, f"b__c{i}.png") for i in range(3)),
    ]
    assert [(entry["id"], entry["image_id"], entry["bbox"]) for entry in told["annotations"]] == [
        *((7 + step * i, 2 + step * i, [1.5, 2.0]) for i in range(3)),
        *((8 + step * i, 1 + step * i, [3, 4]) for i in range(3)),
        (9, 99, [5, 6]),
    ]


def test_pycocotools_reads_the_boxes_of_every_copy(detection: Path, tmp_path: Path) -> None:
    reader = pytest.importorskip("pycocotools.coco")
    out = made(detection, tmp_path / "out", **MERGED, steps=[*NOISE, {"op": "duplicate", "rate": 0.5}])
    clean = reader.COCO(detection / "annotations/instances_train.json")
    boxes_of = {
        image["file_name"][0]: [note["bbox"] for note in clean.imgToAnns[image["id"]]] for image in clean.imgs.values()
    }
    read = reader.COCO(out / "annotations/instances_train.json")
    pictures = {path.name for path in (out / "images/train").iterdir() if path.suffix != ".txt"}
    assert {image["file_name"] for image in read.imgs.values()} == pictures
    assert any("__d1" in name for name in pictures)
    for image in read.imgs.values():
        assert [note["bbox"] for note in read.loadAnns(read.getAnnIds(imgIds=image["id"]))] == boxes_of[
            image["file_name"][0]
        ]
        stem = Path(image["file_name"]).stem
        assert (out / f"labels/train/{stem}.txt").exists() == (stem[0] == "a")
    assert len(read.anns) == len(read.dataset["annotations"])


def test_ids_that_are_text_and_masks_of_panoptic_sets_follow(tmp_path: Path) -> None:
    root = folder(tmp_path / "in", "train/a.jpg", "panoptic/a.png")
    told = {
        "images": [{"id": "x", "file_name": "train/a.jpg"}, {"id": "y", "file_name": "train/gone.jpg"}],
        "annotations": [{"image_id": "x", "file_name": "a.png", "segments_info": [{"id": 3}]}],
    }
    write(root, {"panoptic.json": json.dumps(told)})
    out = made(root, tmp_path / "out", **MERGED, data={"masks": "panoptic/*"})
    assert json.loads((out / "panoptic.json").read_text()) == {
        "images": [*({"id": f"x__{i}", "file_name": f"train/a__c{i}.jpg"} for i in (1, 2)), told["images"][1]],
        "annotations": [
            {"image_id": f"x__{i}", "file_name": f"a__c{i}.png", "segments_info": [{"id": 3}]} for i in (1, 2)
        ],
    }
    assert {"panoptic/a__c1.png", "panoptic/a__c2.png"} < files(out)


def test_names_are_found_from_where_most_of_them_lead_to_images(tmp_path: Path) -> None:
    root = folder(tmp_path / "in", "one/x/a.jpg", "two/x/a.jpg", "two/x/b.jpg", "b.jpg")
    told = {"images": [{"id": i, "file_name": f"x{chr(92)}{name}.jpg"} for i, name in enumerate("ab")]}
    write(root, {"all.json": json.dumps({**told, "annotations": [{"image_id": 0}]})})
    with pytest.raises(RecipeProblem, match=r"two/x/a\.jpg has boxes"):
        inspect(root, {**HEAD, "steps": MOVE})
    beside = {"images": [{"id": 0, "file_name": "../one/x/a.jpg"}], "annotations": [{"image_id": 0}]}
    write(tmp_path / "in", {"all.json": "{}", "told/all.json": json.dumps(beside)})
    with pytest.raises(RecipeProblem, match=r"one/x/a\.jpg has boxes"):
        inspect(root, {**HEAD, "steps": MOVE})
    write(root, {"all.json": json.dumps({**told, "annotations": []})})
    out = json.loads((made(root, tmp_path / "out", **EXACT) / "all.json").read_text())
    assert [entry["file_name"] for entry in out["images"]] == [f"x{chr(92)}{name}.png" for name in "ab"]
    told_out = json.loads((tmp_path / "out/told/all.json").read_text())
    assert told_out["images"][0]["file_name"] == "../one/x/a.png"


def test_captions_go_to_another_class_with_their_image(tmp_path: Path) -> None:
    root = write(folder(tmp_path / "in", "cat/1.jpg", "dog/2.jpg"), {"cat/1.txt": "one cat", "dog/2.txt": "a dog"})
    out = made(root, tmp_path / "out", steps=[{"op": "label_flip", "rate": 1}, {"op": "duplicate", "rate": 1}])
    texts = {name: (out / name).read_text() for name in files(out) if name.endswith(".txt")}
    assert {name.removesuffix(".txt") + ".jpg" for name in texts} == {name for name in files(out) if "jpg" in name}
    assert texts["dog/1__from_cat.txt"] == texts["dog/1__from_cat__d1.txt"] == "one cat"


@pytest.mark.parametrize("bad", [-1, 10**12, 1.5, True])
def test_ids_of_which_no_others_can_be_made_are_named(bad: Any, tmp_path: Path) -> None:
    told = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": bad, "image_id": 1}]}
    root = write(folder(tmp_path / "in", "a.jpg"), {"a/all.json": json.dumps(told)})
    with pytest.raises(DataProblem, match=r"a/all\.json: copies of what has the id .* can get no ids of their own"):
        augment(root, {**HEAD, "steps": NOISE, **MERGED}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_masks_that_metadata_name_follow_there_too(tmp_path: Path) -> None:
    root = folder(tmp_path / "in", "images/1.jpg", "masks/1.png:P")
    write(root, {"images/metadata.csv": "file_name,mask_file_name\n1.jpg,../masks/1.png\n"})
    rows = (made(root, tmp_path / "out", **MERGED) / "images/metadata.csv").read_text().splitlines()
    assert rows[1:] == [f"1__c{i}.jpg,../masks/1__c{i}.png" for i in (1, 2)]


def test_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    root = write(folder(tmp_path / "in", "a.jpg"), {"a.txt": "a cat", "a__c1.txt": "another"})
    with pytest.raises(NoiseError, match=r"a__c1\.txt: two files would get this name"):
        augment(root, {**HEAD, "steps": NOISE, **MERGED}, tmp_path / "out")


def test_labels_and_mixing_are_refused_beside_boxes(tmp_path: Path) -> None:
    root = write(folder(tmp_path / "in", "cat/1.jpg", "dog/2.jpg"), {"cat/1.txt": CAT})
    for op, does in (("label_flip", "changes the class of whole images"), ("mixup", "mixes images")):
        with pytest.raises(RecipeProblem, match=rf"op '{op}'\) {does}.* and cat/1\.jpg has boxes in cat/1\.txt"):
            inspect(root, {**HEAD, "steps": [{"op": op, "rate": 0.5}]})


def test_masks_in_tars_are_not_struck(tmp_path: Path) -> None:
    parts = folder(tmp_path / "parts", "1.png", "1.mask.png:P", "mask.png")
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in/0.tar", "w") as shard:
        for part in sorted(parts.iterdir()):
            shard.add(part, part.name)
    with tarfile.open(made(tmp_path / "in", tmp_path / "out") / "0.tar") as shard:
        found = {name: shard.extractfile(name) for name in shard.getnames()}
        same = {name for name, file in found.items() if file and file.read() == (parts / name).read_bytes()}
    assert same == {"1.mask.png"}


def test_a_box_lies_on_its_object_in_a_picture_that_is_stored_on_its_side(tmp_path: Path) -> None:
    (left, top, width, height), exif = (30, 6, 14, 20), Image.Exif()
    exif[0x0112] = 6
    levels = np.full((40, 64), 60, np.uint8)
    levels[top : top + height, left : left + width] = 200
    (tmp_path / "in").mkdir()
    Image.fromarray(levels).save(tmp_path / "in/a.jpg", exif=exif)
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [left, top, width, height]}
    told = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [box], "categories": []}
    write(tmp_path / "in", {"all.json": json.dumps(told)})
    steps = [{"op": op, "severity": 2} for op in ("gaussian_blur", "rain", "jpeg_compression")]
    for head in ({}, EXACT, MERGED):
        out = made(tmp_path / "in", tmp_path / f"out{len(head)}{'encode' in head}", steps=steps, **head)
        read = json.loads((out / "all.json").read_text())
        for image, note in zip(read["images"], read["annotations"], strict=True):
            with Image.open(out / image["file_name"]) as shown:
                assert shown.getexif()[0x0112] == 6
                pixels = np.asarray(shown).astype(int)
            x, y, w, h = note["bbox"]
            inside = np.zeros(pixels.shape, bool)
            inside[y : y + h, x : x + w] = True
            assert pixels.shape == levels.shape
            assert ((pixels > 130) == inside).mean() > 0.9
