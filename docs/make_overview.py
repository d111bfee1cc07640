"""Make docs/images/overview.svg, the picture of the README: rows and an image of the samples, clean beside noisy."""

import base64
import csv
import io
import sys
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import noisecli

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/images/overview.svg"
TABLE = ROOT / "sample_data/customers.csv"
PHOTO = ROOT / "sample_data/images/train/discs/discs_08.jpg"

RECIPE = {
    "noisecli": 1,
    "seed": 42,
    "data": {"label": "churn", "split": "split"},
    "steps": [
        {"op": "gaussian_noise", "columns": ["age", "income"], "sigma": 0.1},
        {"op": "typo", "columns": ["name"], "rate": 0.3},
        {"op": "category_swap", "columns": ["plan"], "rate": 0.1},
        {"op": "missing", "columns": ["visits"], "rate": 0.3},
        {"op": "label_flip", "rate": 0.2},
    ],
}
DAMAGES = {
    "gaussian_noise": {"severity": 3},
    "brightness": {"severity": 3},
    "cutout": {"holes": 2, "size": 0.25},
    "impulse_noise": {"severity": 3},
    "jpeg_compression": {"severity": 5},
}
COLUMNS = {"name": 0, "age": 160, "income": 196, "plan": 272, "visits": 362, "churn": 420, "split": 470}
"""Columns shown, and where each begins, in pixels."""

WIDTH, ROW, SIDE = 1080, 24, 140
STYLE = """
  .card { fill: #ffffff; stroke: #d0d7de }
  text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
  .title { font: 600 15px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif }
  .head { fill: #656d76 } .mark { fill: #ffebe9 } .new { fill: #b31412; font-weight: 600 }
"""


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(overview(), encoding="utf-8")
    return 0


def overview() -> str:
    """Return the picture as SVG."""
    pairs = _rows()
    top = 44 + ROW * (len(pairs) + 1) + 20
    height = top + SIDE + 42
    half = WIDTH // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"',
        ' aria-label="Rows of a table and an image, clean beside noisy">',
        f"<style>{STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text(16, 28, "customers.csv", "title"),
        _text(half + 16, 28, "noisy.csv: same seed, same bytes; test rows stay clean", "title"),
        *_table(16, [clean for clean, _ in pairs], [clean for clean, _ in pairs]),
        *_table(half + 16, [noisy for _, noisy in pairs], [clean for clean, _ in pairs]),
        *_images(top),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _rows() -> list[tuple[dict[str, str], dict[str, str]]]:
    """Return some rows, clean and noisy: training rows of which much changed, and a test row."""
    with TemporaryDirectory() as folder:
        noisy = noisecli.augment(TABLE, RECIPE, Path(folder) / "noisy.csv", workers=1).output
        tables = [list(csv.DictReader(io.StringIO(path.read_text("utf-8"), ""))) for path in (TABLE, noisy)]
    pairs = list(zip(*tables, strict=True))[:400]
    busy = sorted(pairs, key=lambda pair: -sum(pair[0][name] != pair[1][name] for name in COLUMNS))[:5]
    held_out = next(pair for pair in pairs if pair[0]["split"] == "test" and all(pair[0][name] for name in COLUMNS))
    return [*busy, held_out]


def _table(left: int, rows: list[dict[str, str]], clean: list[dict[str, str]]) -> list[str]:
    parts = [_text(left + x, 56, name, "head") for name, x in COLUMNS.items()]
    for i, (row, was) in enumerate(zip(rows, clean, strict=True)):
        y = 56 + ROW * (i + 1)
        for name, x in COLUMNS.items():
            new = row[name] != was[name]
            if new:
                wide = 8 * max(len(row[name]), 1) + 6
                parts.append(f'<rect class="mark" x="{left + x - 3}" y="{y - 15}" width="{wide}" height="20" rx="3"/>')
            parts.append(_text(left + x, y, row[name] or "∅", "new" if new else ""))
    return parts


def _images(top: int) -> list[str]:
    with Image.open(PHOTO) as photo:
        clean = np.asarray(photo.convert("RGB"))[:, :96]
    tiles = {"clean": clean}
    for op, parameters in DAMAGES.items():
        recipe = {"noisecli": 1, "seed": 6, "target": "images", "steps": [{"op": op, **parameters}]}
        tiles[op] = noisecli.corrupt(clean, recipe)
    step = (WIDTH - 32 - SIDE) / (len(tiles) - 1)
    parts = []
    for i, (name, pixels) in enumerate(tiles.items()):
        x = round(16 + i * step)
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG", quality=80)
        encoded = base64.b64encode(data.getvalue()).decode()
        place = f'x="{x}" y="{top}" width="{SIDE}" height="{SIDE}"'
        parts += [
            f'<image {place} href="data:image/jpeg;base64,{encoded}"/>',
            _text(x, top + SIDE + 22, name, "head"),
        ]
    return parts


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


if __name__ == "__main__":
    sys.exit(main())
