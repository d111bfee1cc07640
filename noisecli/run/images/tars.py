"""Tars of images, such as the shards of a WebDataset: images are struck one by one, all else stays byte for byte."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from noisecli.engine import ImageEngine
from noisecli.errors import DataProblem, UsageProblem
from noisecli.formats.tar import Splice
from noisecli.manifest import place
from noisecli.recipe import Recipe
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.images import write
from noisecli.run.images.write import FileDone, FilesDone, FilesTask, Outgoing, StruckImageFile, carry, strike_image
from noisecli.run.prepare import refuse_sets


def check_tars(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse what cannot be done to images in a tar."""
    name = next((file.name for file in dataset.struck if file.is_tar), None)
    if name is None:
        return
    if recipe.head.encode == "exact":
        raise UsageProblem(f"{name}: `encode: exact` renames images, and those in a tar keep their names: leave it out")
    if recipe.head.data.provenance:
        raise UsageProblem(f"{name}: `provenance` is told in metadata of folders, and this is a tar: leave it out")
    for variant in recipe.variants:
        refuse_sets(variant.recipe, f"{name} is a tar")


def addresses(recipe: Recipe, dataset: Dataset) -> list[str]:
    """Return those of the images that may be struck; of those in tars only where a step has to know them."""
    steps = recipe.steps_of_all
    chosen = (getattr(step.settings, key, None) for step in steps for key in ("files", "classes"))
    needed = any(step.exact for step in steps) or any(chosen)
    tars = any(file.is_tar for file in dataset.struck)
    return [image.address for image in dataset.struck_images()] if needed or not tars else []


def write_files(task: FilesTask) -> FilesDone:
    """Write some files, or one tar."""
    out, *others = task.files
    clean = out.file.carried or (task.copy == 0 and task.encode == "struck")
    if others or not out.file.is_tar or clean:
        return write.write_files(task)
    target = place(task.data, out.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        count = sum(1 for _ in out.file.images())  # what is wrong with the tar is found before anything is counted
    except DataProblem as error:
        if not out.file.reading.skip_errors:
            raise
        return FilesDone([replace(carry(out.file, target), skipped=str(error).removeprefix(f"{out.file.name}: "))])
    writer = _Writer(task, out.file, ImageEngine(task.plan, task.copy))
    return FilesDone([replace(writer.write(target), rows=count)], writer.engine.tally)


@dataclass(frozen=True)
class _Writer:
    """Writes one tar."""

    task: FilesTask
    file: InputFile
    engine: ImageEngine

    def write(self, target: Path) -> FileDone:
        """Write it; the truth, if it is asked for, gets a line for each image that steps changed."""
        unread: dict[str, str] = {}
        with ExitStack() as stack:
            splice = Splice(stack.enter_context(self.file.path.open("rb")), stack.enter_context(target.open("wb")))
            truth = stack.enter_context(self.task.truth.open("w")) if self.task.truth is not None else None
            for image, done in self._struck(unread):
                assert image.member is not None
                splice.replace(image.member, done.data, done.content or hashlib.sha256(done.data).hexdigest())
                if truth is not None and done.changed:
                    lines = [{"step": step, "drawn": done.drawn[step]} for step in done.changed]
                    print(json.dumps([image.relative, lines]), file=truth)
            read, written, content = splice.finish()
        return FileDone(self.file.relative, read, written, content, unread=unread)

    def _struck(self, unread: dict[str, str]) -> Iterator[tuple[InputFile, StruckImageFile]]:
        """Yield images with what has become of them; those that stay as they are are left out."""
        task, engine = self.task, self.engine
        for image in self.file.images():
            steps = [] if image.carried or task.copy == 0 else engine.strikes(image.address)
            if image.carried or not (steps or task.encode == "every"):
                continue
            out = Outgoing(image, "", "", image.address)
            try:
                yield image, strike_image(out, image.read_image(), engine, steps, task.encode)
            except DataProblem as error:
                if not image.reading.skip_errors:
                    raise DataProblem(f"{error} (`on_error: skip` carries such images untouched)") from error
                unread[image.relative] = str(error).removeprefix(f"{image.name}: ")
                for step in steps:
                    engine.tally[step.id, ""].void += 1


def read_truth(path: Path) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yield the images that steps changed, each with a line for each of these, and remove the file that says so."""
    with path.open() as told:
        for line in told:
            name, lines = json.loads(line)
            yield name, lines
    path.unlink()
