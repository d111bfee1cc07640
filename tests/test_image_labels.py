"""Labels of images where folders and metadata are not as tidy as they might be, and files that cannot be read."""

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from noisecli.errors import DataProblem, RecipeProblem
from noisecli.quota import Quota, cell_keys
from noisecli.run import augment
from noisecli.streams import Stream

Command = Callable[..., Any]
Recipe = Callable[..., Path]

CLASSES = ("blue", "green", "red")
HEAD = {"noisecli": 1, "seed": 5}
MIXUP = {"op": "mixup", "alpha": 1}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four images a class, and a held-out one."""
    for i in range(15):
        path = tmp_path / "photos" / ("val" if i >= 12 else "train") / CLASSES[i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 8 + i, 3), 16 * i, np.uint8)).save(path)
    return tmp_path / "photos"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(folder: Path, pattern: str = "*/*.png") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern))


def write_metadata(folder: Path, column: str, pattern: str = "*/*.png", says: str = "") -> None:
    lines = [f"{name},{says or name.partition('/')[0]}\n" for name in names(folder, pattern)]
    (folder / "metadata.csv").write_text(f"file_name,{column}\n" + "".join(lines))


def is_soft(row: dict[str, str]) -> bool:
    return max(float(share) for name, share in row.items() if "__p__" in name) < 1


@pytest.mark.parametrize("clones", ["duplicate", "near_duplicate"])
@pytest.mark.parametrize("first", [{"op": "gaussian_noise"}, MIXUP], ids=["noise", "mixup"])
def test_clones_of_what_cannot_be_read_are_carried(
    photos: Path, tmp_path: Path, first: dict[str, Any], clones: str
) -> None:
    (photos / "train/red/2.png").write_bytes(b"no image")
    (photos / "train/red/2.png").rename(photos / "train/red/2.jpg")
    recipe = {**HEAD, "on_error": "skip", "encode": "exact", "steps": [first, {"op": clones, "rate": 1}]}
    done = augment(photos, recipe, tmp_path / "out", truth=True)
    for name in ("2", "2__d1"):
        assert (done.output / f"train/red/{name}.jpg").read_bytes() == b"no image"
    lines = [json.loads(text) for text in pq.read_table(tmp_path / "out.noisecli-truth.parquet")["drawn"].to_pylist()]
    assert {line["output"] for line in lines if "output" in line} == {
        entry.path for entry in done.manifest.outputs if "__d1" in entry.path
    }
    counts = done.manifest.steps[0].columns[""]
    assert counts["void"] == len(done.manifest.skipped) == (2 if first is MIXUP else 1)
    assert counts["struck"] == 12


def test_a_partner_that_cannot_be_read_is_named_once(photos: Path, tmp_path: Path) -> None:
    (photos / "train/red/2.png").write_bytes(b"no image")
    done = augment(photos, {**HEAD, "on_error": "skip", "steps": [MIXUP]}, tmp_path / "out")
    why = {entry["why"].partition(":")[0] for entry in done.manifest.skipped}
    assert why == {"its partner train/red/2.png", "the file is neither a JPEG nor a PNG; remove the file or repair it"}


def test_soft_labels_are_told_where_another_split_has_metadata(photos: Path, tmp_path: Path) -> None:
    write_metadata(photos / "val", "note")
    done = augment(photos, {**HEAD, "steps": [MIXUP]}, tmp_path / "out")
    assert any(map(is_soft, rows_of(done.output / "train/metadata.csv")))
    assert list(rows_of(done.output / "val/metadata.csv")[0]) == [
        "file_name",
        "note",
        *(f"label__p__{name}" for name in CLASSES),
    ]
    assert not any("no row" in line for line in done.manifest.warnings)
    write_metadata(photos / "train", "note")
    (photos / "val/metadata.csv").unlink()
    done = augment(photos, {**HEAD, "steps": [MIXUP]}, tmp_path / "again")
    assert names(done.output, "*/metadata.csv") == ["train/metadata.csv"], "held-out images need none"


def test_mixed_images_without_a_row_are_counted(photos: Path, tmp_path: Path) -> None:
    (photos / "train/red/metadata.csv").write_text("file_name,n\n2.png,1\n5.png,1\n8.png,1\n11.png,1\n")
    done = augment(photos, {**HEAD, "steps": [MIXUP]}, tmp_path / "out")
    drawn = {e.path: e.drawn["mixup"] for e in done.manifest.outputs if e.drawn and "/red/" not in e.path}
    mixed = [path for path, got in drawn.items() if got["share"] < 1 and path.split("/")[1] not in got["partner"]]
    assert mixed
    assert any(f"{len(mixed)} mixed images have no row" in line for line in done.manifest.warnings)
    write_metadata(photos / "train", "note", "red/*.png")
    with pytest.raises(DataProblem, match=r"train/metadata.csv: has no row for train/blue/0.png and for 7 more"):
        augment(photos, {**HEAD, "steps": [MIXUP]}, tmp_path / "again")


def test_a_test_set_may_have_no_labels(photos: Path, tmp_path: Path) -> None:
    write_metadata(photos / "train", "kind")
    write_metadata(photos / "val", "note")
    asked = {**HEAD, "data": {"label": "kind"}, "steps": [MIXUP]}
    done = augment(photos, asked, tmp_path / "out")
    assert {row["kind__p__red"] for row in rows_of(done.output / "val/metadata.csv")} == {""}
    with pytest.raises(DataProblem, match=r"train/metadata.csv: 'note' is no column"):
        augment(photos, {**asked, "data": {"label": "note"}}, tmp_path / "no")


def test_a_class_that_is_held_out_as_a_whole_has_a_column(photos: Path, tmp_path: Path) -> None:
    (photos / "val/red").rename(photos / "val/pink")
    done = augment(photos, {**HEAD, "steps": [MIXUP]}, tmp_path / "out")
    for row in rows_of(done.output / "val/metadata.csv"):
        assert float(row[f"label__p__{row['label']}"]) == 1
    assert {float(row["label__p__pink"]) for row in rows_of(done.output / "train/metadata.csv")} == {0}


def test_images_move_to_folders_as_these_are_spelled(photos: Path, tmp_path: Path) -> None:
    """Where letters are decomposed, as some systems store them, there would be two folders that look the same."""
    spelled = unicodedata.normalize("NFD", "café")
    (photos / "train/red").rename(photos / "train" / spelled)
    done = augment(photos, {**HEAD, "steps": [{"op": "label_flip", "rate": 0.9}]}, tmp_path / "out")
    assert {path.name for path in (done.output / "train").iterdir()} == {"blue", "green", spelled}
    assert any("__from_" in path.name for path in (done.output / "train" / spelled).iterdir())


def test_numbers_of_classes_cannot_follow(photos: Path, tmp_path: Path) -> None:
    files = names(photos / "train")
    pq.write_table(pa.table({"file_name": files, "label": [0] * 12}), photos / "train/metadata.parquet")
    with pytest.raises(DataProblem, match=r"its column 'label' has no names of classes"):
        augment(photos, {**HEAD, "steps": [{"op": "label_flip"}]}, tmp_path / "out")


def test_a_split_that_nothing_heeds_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeProblem, match="of images folders say it"):
        augment(photos, {**HEAD, "data": {"split": "fold"}, "steps": [{"op": "fog"}]}, tmp_path / "out")


def test_a_preview_of_all_severities_leaves_images_without_a_class_alone(
    command: Command, recipe: Recipe, photos: Path, tmp_path: Path
) -> None:
    (photos / "train/0.png").write_bytes((photos / "train/red/2.png").read_bytes())
    done = command("preview", photos, "-r", recipe("op: mixup, severity: 3"), "-o", tmp_path / "s.png", "--rows", 20)
    assert (done.code, done.errors) == (0, [])


@pytest.mark.parametrize("strata", [None, ("a", "b", "c")])
def test_one_image_is_struck_as_it_is_among_many(strata: tuple[str, ...] | None) -> None:
    quota = Quota(strata, (2**63,) if strata is None else (2**63, None, 2**62))
    keys = cell_keys(Stream(1, 1, "step", "a.png"), "", 0)
    assert cell_keys(Stream(1, 1, "step", "a.png"), "", 0, 1).tolist() == keys[:1].tolist()
    labels = [("a", "b", "c", "else", None)[i % 5] for i in range(len(keys))]
    both = zip(keys.tolist(), labels, strict=True)
    assert [quota.strikes(*one) for one in both] == quota.mask(keys, pa.array(labels)).tolist()


STEPS = ("op: gaussian_noise, rate: 0.3", "op: label_flip, rate: 0.4", "op: duplicate, rate: 0.5, clones: 2")


@pytest.mark.parametrize("steps", [STEPS, STEPS[1:], (*STEPS, "op: near_duplicate, rate: 0.5", "op: truncate_file")])
def test_the_truth_of_moved_and_cloned_images_holds(
    command: Command, recipe: Recipe, photos: Path, tmp_path: Path, steps: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    assert command("augment", photos, "-r", recipe(*steps), "-o", out, "--truth").code == 0
    found = command("diff", photos, out, "--json").json
    assert (found["truth"]["lies"], found["equal"]) == ([], False)
    how = Counter(image["how"] for image in found["images"])
    assert how["class"] > 0
    assert how["clone"] > 0
    shown = command("diff", photos, out).out
    assert f"{how['class']} have another class, {how['clone']} are clones, as the manifest says" in shown
    path = tmp_path / "out.noisecli-truth.parquet"
    table = pq.read_table(path)
    for name, other in (("after", "pink"), ("drawn", "{}"), ("drawn", "nonsense"), ("drawn", "[1]")):
        values = [old and other for old in table[name].to_pylist()]
        place = table.schema.get_field_index(name)
        pq.write_table(table.set_column(place, table.schema.field(place), pa.array(values, pa.string())), path)
        lied = command("diff", photos, out)
        assert (lied.code, "is not what the manifest says" in lied.err) == (4, True)


def drawn_in(done: Any, step: str, copy: int = 1) -> dict[str, Any]:
    """What each file of a copy got in a step, by its path."""
    made = [entry for entry in done.manifest.outputs if entry.copy_number == copy]
    return {entry.path: entry.drawn[step] for entry in made if step in (entry.drawn or {})}


FLIP_ALL = {"op": "label_flip", "rate": 1}
DUPLICATE = {"op": "duplicate", "rate": 1, "clones": 2}


def test_the_clean_copy_is_the_input(photos: Path, tmp_path: Path, tree: Callable[[Path], dict[str, bytes]]) -> None:
    done = augment(photos, {**HEAD, "keep_original": True, "steps": [FLIP_ALL, DUPLICATE]}, tmp_path / "out")
    assert tree(done.output / "copy=0") == tree(photos)
    assert len(names(done.output / "copy=1/train")) == 36


def test_flips_are_drawn_for_each_image_and_copy(photos: Path, tmp_path: Path) -> None:
    done = augment(photos, {**HEAD, "copies": 2, "steps": [FLIP_ALL]}, tmp_path / "out")
    first, second = (
        {path.partition("__from_")[0].rpartition("/")[2]: (got["before"], got["after"]) for path, got in made.items()}
        for made in (drawn_in(done, "label_flip", copy) for copy in (1, 2))
    )
    assert first.keys() == second.keys()
    assert first != second
    assert {(CLASSES.index(after) - CLASSES.index(before)) % 3 for before, after in first.values()} == {1, 2}


def test_an_annotator_who_is_right_changes_nothing(photos: Path, tmp_path: Path) -> None:
    flip = {**FLIP_ALL, "kind": "annotator", "accuracy": 1}
    done = augment(photos, {**HEAD, "steps": [flip]}, tmp_path / "out", truth=True)
    assert names(done.output) == names(photos)
    assert drawn_in(done, "label_flip") == {}
    counts = done.manifest.steps[0].columns[""]
    assert (counts["struck"], counts["changed"]) == (12, 0)


def test_each_clone_has_faults_of_its_own_and_none_is_counted_twice(photos: Path, tmp_path: Path) -> None:
    steps = [{"op": "gaussian_noise"}, DUPLICATE, {"op": "truncate_file", "rate": 0.5}]
    done = augment(photos, {**HEAD, "steps": steps}, tmp_path / "out")
    assert done.manifest.steps[0].columns[""]["changed"] == 12
    hit = drawn_in(done, "truncate_file")
    struck = [
        tuple(f"train/{name[:-4]}{end}.png" in hit for end in ("", "__d1", "__d2")) for name in names(photos / "train")
    ]
    assert all(len({both[i] == both[k] for both in struck}) == 2 for i, k in ((0, 1), (0, 2), (1, 2)))


def test_each_step_copy_and_class_has_partners_of_its_own(photos: Path, tmp_path: Path) -> None:
    steps = [MIXUP, {"op": "cutmix", "within": "class"}, {"op": "cutmix", "id": "again", "within": "class"}]
    done = augment(photos, {**HEAD, "copies": 2, "steps": steps}, tmp_path / "out")
    found = []
    for step in ("mixup", "cutmix", "again"):
        first, second = (
            {path.partition("/")[2]: got["partner"] for path, got in drawn_in(done, step, copy).items()}
            for copy in (1, 2)
        )
        assert first.keys() == second.keys()
        assert first != second
        found.append(first)
    assert found[1] != found[2]
    places = []
    for name in CLASSES:
        mine = sorted(path for path in found[1] if path.startswith(f"train/{name}/"))
        places.append([mine.index(found[1][path]) for path in mine])
    assert len(set(map(tuple, places))) > 1


def test_a_folder_of_a_split_and_an_empty_cell_are_no_class(photos: Path, tmp_path: Path) -> None:
    (photos / "train").rename(photos / "split=train")
    (photos / "split=train/0.png").write_bytes((photos / "split=train/red/2.png").read_bytes())
    done = augment(photos, {**HEAD, "steps": [MIXUP]}, tmp_path / "out")
    assert "split=train/0.png" not in drawn_in(done, "mixup")
    assert done.manifest.steps[0].columns[""]["eligible"] == 12
    lines = [f"{name},{'x' * (i % 2)}\n" for i, name in enumerate(names(photos, "split=train/*/*.png"))]
    (photos / "metadata.csv").write_text("file_name,kind\n" + "".join(lines))
    asked = {**HEAD, "data": {"label": "kind"}, "steps": [{"op": "gaussian_noise"}, {**MIXUP, "within": "class"}]}
    done = augment(photos, asked, tmp_path / "again")
    assert [step.columns[""]["eligible"] for step in done.manifest.steps] == [13, 6]


def test_the_row_of_a_clone_names_the_mask_of_its_copy(photos: Path, tmp_path: Path) -> None:
    rows = "".join(f"{name},blue/0.png\n" for name in names(photos / "train", "red/*.png"))
    (photos / "train/metadata.csv").write_text("file_name,mask_file_name\n" + rows)
    clones = {"op": "duplicate", "rate": 1, "files": "train/red/*"}
    done = augment(photos, {**HEAD, "layout": "merged", "copies": 2, "steps": [clones]}, tmp_path / "out")
    found = rows_of(done.output / "train/metadata.csv")
    assert len(found) == 16
    assert all(row["file_name"][-5] == row["mask_file_name"][-5] for row in found)


def test_near_duplicates_of_one_image_differ_and_faults_chosen_by_name_strike_them(
    photos: Path, tmp_path: Path
) -> None:
    fault = {"op": "truncate_file", "rate": 1, "files": "train/red/2.png"}
    near = {"op": "near_duplicate", "rate": 1, "clones": 2, "severity": 5}
    done = augment(photos, {**HEAD, "steps": [near, fault]}, tmp_path / "out")
    assert set(drawn_in(done, "truncate_file")) == {f"train/red/2{end}.png" for end in ("", "__d1", "__d2")}
    one, two = (drawn_in(done, "near_duplicate")[f"train/red/5__d{i}.png"] for i in (1, 2))
    assert one["cut"] != two["cut"]


@pytest.mark.parametrize("op", ["label_flip", "mixup"])
@pytest.mark.parametrize("what", ["boxes", "a mask"])
def test_what_would_not_fit_boxes_and_masks_is_refused(photos: Path, tmp_path: Path, op: str, what: str) -> None:
    if what == "boxes":
        (photos / "train/red/2.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    else:
        Image.new("L", (10, 9)).save(photos / "train/red/2_mask.png")
    with pytest.raises(RecipeProblem, match=rf"train/red/2\.png has {what} in train/red/2"):
        augment(photos, {**HEAD, "steps": [{"op": op}]}, tmp_path / "out")
