"""What a copy consists of beside its struck tables: which files come out, where, in which class, mixed with which."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np

from noisecli.corruption import CloningCorruption, ImageLabelCorruption, MixingCorruption
from noisecli.engine import ImageEngine
from noisecli.partners import Numbers
from noisecli.plan import Plan, StepPlan, clone_address
from noisecli.recipe import Recipe
from noisecli.run.dataset import Dataset, InputFile
from noisecli.run.images.classes import Classes
from noisecli.run.images.write import Outgoing
from noisecli.run.layout import place_in_output, suffixed, tree_of
from noisecli.streams import CounterDraws, Stream


@dataclass(frozen=True)
class Arrangement:
    """One copy; `files` may be asked for once, and then the tally of `engine` has what became of the set of images."""

    recipe: Recipe
    dataset: Dataset
    classes: Classes | None
    """Of the images; None: no step asks for them."""
    variant: str
    """Folder of the combination of a sweep."""
    plan: Plan
    copy: int
    """0 is the clean data."""
    followers: Mapping[str, tuple[InputFile, ...]] = field(default_factory=dict)
    """Files that get the stem of what comes of an image, by its path."""

    @cached_property
    def engine(self) -> ImageEngine:
        """What strikes sets of images."""
        return ImageEngine(self.plan, self.copy)

    def files(self) -> Iterator[Outgoing]:
        """Say what comes out beside struck tables, in the order of the input."""
        for file in self._carried_or_images():
            for out in self.made_of(file):
                yield out
                yield from (self._following(follower, out) for follower in self.followers.get(file.relative, ()))

    def made_of(self, file: InputFile) -> Iterator[Outgoing]:
        """Say what comes of a file: an image first, then its clones."""
        root = tree_of(self.recipe, self.variant, self.copy)
        label = None if self.classes is None else self.classes.of.get(file.address)
        out = Outgoing(file, "", root, file.address, label, label)
        is_struck = self.copy > 0 and not file.carried
        for number, made in enumerate(self._set_steps(out) if is_struck else [out]):
            relative = _renamed(made, self._folder(made), number)
            path = place_in_output(self.recipe, self.dataset, self.variant, file, self.copy, relative)
            yield replace(made, path=path)

    def _folder(self, image: Outgoing) -> str | None:
        """Return the folder that an image moves to; None: it stays in its own."""
        if self.classes is None or self.classes.column is not None or image.new_label == image.label:
            return None
        return self.classes.folders[image.new_label or ""]

    def _following(self, file: InputFile, image: Outgoing) -> Outgoing:
        """Say where a file goes that follows an image: beside it if it lay beside it, else into its own folder."""
        old, new = PurePosixPath(image.file.relative), PurePosixPath(image.path)
        mine = PurePosixPath(file.relative)
        begins = mine.stem.startswith(old.stem)
        # Of `1_sat.jpg` and `1_mask.png` neither stem begins with the other.
        stem = new.stem + mine.stem[len(old.stem) :] if begins else mine.stem + new.stem.removeprefix(old.stem)
        folder = new.parent if mine.parent == old.parent else PurePosixPath(image.root) / mine.parent
        return Outgoing(file, (folder / f"{stem}{mine.suffix}").as_posix(), image.root, file.address)

    def _carried_or_images(self) -> Iterator[InputFile]:
        """All files but struck tables; what is carried into a merged tree is there once for all copies."""
        head = self.recipe.head
        once = head.layout == "merged" and self.copy != head.written[0]
        following = {file.relative for files in self.followers.values() for file in files}
        for file in self.dataset.files:
            if file.relative in following:
                continue
            if self.copy == 0 or (not once if file.carried else self.dataset.target == "images"):
                yield file

    def _set_steps(self, out: Outgoing) -> list[Outgoing]:
        """Return an image, as steps that change no pixels leave it, and its clones."""
        if self.classes is not None and out.label is not None:
            out = self._relabelled(replace(out, partners=self._partners_of(out)), self.classes)
        made = [out]
        for step in self.plan.steps:
            op = step.corruption
            for source in list(made) if isinstance(op, CloningCorruption) else ():  # clones may be struck again
                assert isinstance(op, CloningCorruption)
                if self.engine.is_struck(step, source.address, source.label):
                    self.engine.tally[step.id, ""].changed += 1
                    made += [_clone(source, step, number) for number in range(1, op.clones + 1)]
        return made

    def _relabelled(self, out: Outgoing, classes: Classes) -> Outgoing:
        """Let steps give the image another class."""
        label, done = out.label, {}
        for step in self.plan.steps:
            op = step.corruption
            if isinstance(op, ImageLabelCorruption) and self.engine.is_struck(step, out.address, out.label):
                draws = CounterDraws(Stream(self.plan.seed, self.copy, step.id, "").words("value", "", [out.address]))
                old = classes.codes[label or ""]
                new = int(op.relabel(np.array([old]), classes.as_column, draws)[0])
                if new != old:
                    counts = self.engine.tally[step.id, ""]
                    counts.changed += 1
                    counts.transitions[old, new] += 1
                    done[step.id] = {"before": label, "after": classes.names[new]}
                label = classes.names[new]
        return replace(out, new_label=label, relabelled=done)

    def _partners_of(self, out: Outgoing) -> dict[str, InputFile]:
        """The images that this one is mixed with, by step."""
        assert self.classes is not None
        place = self.classes.places[out.address]
        return {step: self.classes.training[int(numbers[place])] for step, numbers in self._partners.items()}

    @cached_property
    def _partners(self) -> dict[str, Numbers]:
        """By step that mixes, the number of each training image's partner."""
        mixing = [step for step in self.plan.steps if isinstance(step.corruption, MixingCorruption)]
        found = self.classes
        return {} if found is None else {s.id: found.partners(self.plan.seed, self.copy, s) for s in mixing}


def _clone(source: Outgoing, step: StepPlan, number: int) -> Outgoing:
    address = clone_address(source.address, step.id, number)
    return replace(source, address=address, clones=(*source.clones, (step, number)))


def _renamed(out: Outgoing, folder: str | None, number: int) -> str | None:
    """Return what an image is called in its tree; None: as in the input.

    Whether a name is free must not matter: what becomes of an image would depend on which others there are.
    """
    path = PurePosixPath(out.file.relative)
    name = path.as_posix()
    if folder is not None:
        name = suffixed((path.parent.with_name(folder) / path.name).as_posix(), f"__from_{out.label}")
    name = suffixed(name, f"__d{number}") if number else name
    return None if name == path.as_posix() else name
