"""What a page says of the run: summary, warnings, rates, recipe, provenance."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noisecli.compare.model import ImagesComparison, TableComparison
from noisecli.manifest import Manifest
from noisecli.report.figures import changed_cells
from noisecli.report.rates import Rate
from noisecli.report.section import Section
from noisecli.report.sides import moved
from noisecli.report.subject import Subject
from noisecli.report.tables import by_drift, differs
from noisecli.report.words import drift_word, number, plural, share

MOST_LINES = 40
"""Lines of a list, or of a table before it is folded."""

MOST_FILES = 50
"""Files whose digests are listed."""


@dataclass(frozen=True)
class Tile:
    """A fact of the summary."""

    name: str
    value: str
    detail: str = ""
    tone: str = ""


def lede(subject: Subject) -> str:
    """Say in a sentence what the page is about."""
    about = f"{subject.clean} before and after"
    manifest = subject.manifest
    if manifest is None:
        return f"{about}; no manifest says who made the noise."
    steps = plural(len(manifest.recipe["steps"]), "step")
    purpose = "training data only" if manifest.purpose == "train" else "everything, held-out data too"
    which = f", copy {subject.copy}" if subject.copy is not None and manifest.recipe.get("copies", 1) > 1 else ""
    variant = f", {subject.sweep}" if subject.sweep else ""
    return f"{about}: {steps} at seed {manifest.seed}, purpose {manifest.purpose} ({purpose}){variant}{which}."


def summary(subject: Subject) -> Section:
    """Return the first facts."""
    found = subject.comparison
    if isinstance(found, ImagesComparison):
        tiles, drifts = _of_images(found, subject.manifest is not None), []
    else:
        tiles, drifts = _of_table(found), _drifts(found)
    return Section(
        "summary", "Summary", {"tiles": tiles + _of_run(subject), "drifts": drifts, "faults": _some(subject.faults)}
    )


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"and {number(more)} more"] if more > 0 else [])]


def _of_table(found: TableComparison) -> list[Tile]:
    before, after = found.rows
    rows = Tile("Rows", number(after), "as many as before" if before == after else f"{number(before)} before")
    cells, changed = after * len(found.columns), changed_cells(found)
    if changed is None:
        said = Tile("Cells changed", "unknown", "it is not known which rows belong together; see the warnings")
    else:
        said = Tile("Cells changed", number(changed), f"{share(changed / cells if cells else None)} of {number(cells)}")
    touched = sum(differs(column) for column in found.columns)
    return [rows, said, Tile("Columns that differ", f"{touched} of {len(found.columns)}", _kinds(found))]


def _kinds(found: TableComparison) -> str:
    large = sum(drift_word(column.drift) == "large" for column in found.columns)
    return f"{large} with a large drift" if large else "none with a large drift"


def _of_images(found: ImagesComparison, recorded: bool) -> list[Tile]:
    differing = sum(not math.isinf(pair.psnr) for pair in found.pairs)
    psnr = sorted(pair.psnr for pair in found.pairs if math.isfinite(pair.psnr))
    ssim = sorted(pair.ssim for pair in found.pairs if math.isfinite(pair.psnr))
    of = "a sample" if found.sampled is not None else "all that the run struck" if recorded else "all"
    tiles = [
        Tile("Images compared", number(len(found.pairs)), of),
        Tile("Images that differ", number(differing), share(differing / len(found.pairs) if found.pairs else None)),
    ]
    unreadable = sum(pair.unreadable for pair in found.pairs)
    if unreadable:
        tiles.append(Tile("Images unreadable", number(unreadable), "steps damaged their files"))
    if psnr:
        tiles.append(
            Tile("Median PSNR", f"{psnr[len(psnr) // 2]:.1f} dB", f"of those that differ; worst {psnr[0]:.1f} dB")
        )
        tiles.append(Tile("Median SSIM", f"{ssim[len(ssim) // 2]:.3f}", f"worst {ssim[0]:.3f}"))
    return tiles


def _of_run(subject: Subject) -> list[Tile]:
    tiles = []
    judged = [rate.within for rate in subject.rates if rate.within is not None]
    if judged:
        tone = "" if all(judged) else "bad"
        tiles.append(Tile("Rates", f"{sum(judged)} of {len(judged)}", "within what chance allows", tone))
    if subject.warnings:
        tiles.append(Tile("Warnings", number(len(subject.warnings)), "see below"))
    if subject.verified is None:
        tiles.append(Tile("Verified", "no", "there is no manifest to check against"))
    elif subject.verified:
        tiles.append(Tile("Verified", "✓ yes", "every file is what the manifest says", "good"))
    else:
        tiles.append(Tile("Verified", "✗ no", plural(len(subject.faults), "fault"), "bad"))
    return tiles


def _drifts(found: TableComparison) -> list[dict[str, Any]]:
    first = [column for column in by_drift(found.columns) if column.drift.jensen_shannon][:5]
    return [{"column": column, "moved": moved(column)} for column in first]


def warnings(subject: Subject) -> Section:
    """Return what the run, and the comparison, warn of."""
    return Section("warnings", "Warnings", {"warnings": _some(subject.warnings)} if subject.warnings else None)


def asked_and_realised(subject: Subject) -> Section:
    """Return the rates, those that chance does not explain first."""
    lines = [_line(rate, subject) for rate in sorted(subject.rates, key=lambda rate: rate.within is not False)]
    manifest = subject.manifest
    if not lines or manifest is None:
        return Section("rates", "Asked and realised", None)
    on_images = manifest.recipe.get("target") == "images"
    copies = manifest.recipe.get("copies", 1)
    data = {
        "first": lines[:MOST_LINES],
        "rest": lines[MOST_LINES:],
        "on_images": on_images,
        "over": f", over all {copies} copies" if copies > 1 else "",
    }
    return Section("rates", "Asked and realised", data)


def _line(rate: Rate, subject: Subject) -> dict[str, Any]:
    return {"rate": rate, "bar": _bar(rate), "why": _why(rate, subject.manifest)}


def _why(rate: Rate, manifest: Manifest | None) -> str:
    """Say why chance has no range."""
    if rate.realised is None:
        return "none eligible"
    if rate.asked is None:
        return "part of rows"
    exact = any(step.exact for step in (manifest.steps if manifest else ()) if step.id == rate.step)
    return "exact count" if exact else "not independent"


def _bar(rate: Rate) -> dict[str, Any] | None:
    """Place mark, band and fill of a rate in percent of its bar, in the middle of which the mark stands if it can."""
    if rate.asked is None or rate.realised is None:
        return None
    whole = min(1.0, max(2 * rate.asked, rate.realised)) or 1.0
    band = rate.chance and (_percent(rate.chance[0] / whole), _percent((rate.chance[1] - rate.chance[0]) / whole))
    return {"tick": _percent(rate.asked / whole), "fill": _percent(rate.realised / whole), "band": band}


def _percent(value: float) -> str:
    return f"{100 * min(value, 1.0):.2f}"


def recipe(subject: Subject) -> Section:
    """Return the recipe as YAML, its keys in the order in which people write them."""
    if subject.manifest is None:
        return Section("recipe", "Recipe", None)
    return Section("recipe", "Recipe", {"yaml": _yaml(subject.manifest.recipe)})


FIRST = ("noisecli", "seed", "purpose", "target", "copies", "data", "op", "id", "columns", "rate")


def _yaml(document: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.default_flow_style = None
    yaml.allow_unicode = True
    yaml.width = 100
    sink = io.StringIO()
    yaml.dump(_in_order(document), sink)
    return sink.getvalue()


def _in_order(value: Any) -> Any:
    if isinstance(value, Mapping):
        rank = {key: i for i, key in enumerate(FIRST)}
        keys = sorted(value, key=lambda key: (key == "steps", rank.get(key, len(rank)), key))
        return {key: _in_order(value[key]) for key in keys}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


def provenance(subject: Subject) -> Section:
    """Return what the run recorded of itself."""
    manifest = subject.manifest
    if manifest is None:
        return Section("provenance", "Provenance", None)
    facts = [
        ("noisecli", manifest.noisecli),
        ("Seed", str(manifest.seed)),
        ("Recipe, SHA-256", manifest.recipe_sha256),
        ("Randomness", f"{manifest.rng.get('bit_generator', '')}, blocks of {number(manifest.rng.get('block'))} rows"),
        ("Environment", ", ".join(f"{name} {version}" for name, version in manifest.environment.items())),
        *[(f"Truth, {key}", entry.sha256) for key, entry in _companions(manifest).items()],
        *[(f"Code {name}", sha) for name, sha in manifest.code.items()],
        *[(f"File {name}", sha) for name, sha in manifest.read.items()],
    ]
    skipped = [f"{entry['path']}: {entry['why']}" for entry in manifest.skipped]
    facts += [("Skipped", "; ".join(skipped[:10]) + ("; and more" if len(skipped) > 10 else ""))] if skipped else []
    files = [("Files read", _files(manifest.inputs)), ("Files written", _files(manifest.outputs))]
    return Section("provenance", "Provenance", {"facts": facts, "files": files})


def _companions(manifest: Manifest) -> dict[str, Any]:
    found = {"cells": manifest.truth, "intervals": manifest.intervals}
    return {key: entry for key, entry in found.items() if entry is not None}


def _files(entries: Sequence[Any]) -> dict[str, Any]:
    return {"count": len(entries), "shown": entries[:MOST_FILES]}
