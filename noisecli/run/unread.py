"""What of an input gets no noise, and who counts on it should know: entries left out, and pictures that are carried."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from noisecli.formats import tar
from noisecli.run.dataset import OTHER_IMAGES, Dataset


def missing_entries(dataset: Dataset) -> list[str]:
    """Warn of entries that are left out: who counts the files of a copy expects all of them."""
    if not dataset.left_out:
        return []
    (name, why), *others = dataset.left_out.items()
    count = f"{len(others) + 1:,} entries are left out, as the manifest lists; the first is " if others else ""
    return [f"{count or '1 entry is left out: '}{name}: {why}"]


def unread_images(dataset: Dataset) -> list[str]:
    """Warn of pictures beside those that are struck: who mixes formats expects noise on all of them."""
    names = [file.path.name.lower() for file in dataset.files]
    suffixes = [suffix for name in names if (suffix := PurePath(name).suffix) in OTHER_IMAGES]
    tars = [suffix for name in names for suffix in tar.COMPRESSED if name.endswith(suffix)]
    return [
        *_carried(suffixes, "image", "convert them to PNG or JPEG"),
        *_carried(tars, "tar", "decompress those that hold images"),
    ]


def _carried(suffixes: Sequence[str], what: str, advice: str) -> Iterator[str]:
    if suffixes:
        count = f"1 {what} is" if len(suffixes) == 1 else f"{len(suffixes):,} {what}s are"
        kinds = ", ".join(sorted(set(suffixes)))
        yield f"{count} of a kind that is not read, and carried without noise ({kinds}): {advice}"
