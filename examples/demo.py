"""What `make demo` runs: noisy copies of the three samples, and what became of a few cells."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv as csv
import pyarrow.parquet as parquet
from PIL import Image
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_data"
DEMO = ROOT / "demo"
RUNS = (
    ("customers.csv", "customers.yaml", "customers.csv"),
    ("customers.parquet", "customers.yaml", "customers.parquet"),
    ("images", "photos.yaml", "images"),
)
SHOWN = ("customer_id", "name", "age", "income", "plan", "visits", "churn", "split")


def main() -> int:
    """Run the command three times as a user would, then compare."""
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    for source, recipe, output in RUNS:
        arguments = ["augment", f"sample_data/{source}", "-r", f"examples/{recipe}", "-o", f"demo/{output}", "--quiet"]
        print("$ noisecli", " ".join(arguments), flush=True)
        code = subprocess.run([sys.executable, "-m", "noisecli", *arguments], cwd=ROOT, check=False).returncode
        if code:
            return code
    compare_tables()
    compare_images()
    print("\nCopies and manifests:")
    for path in sorted(DEMO.iterdir()):
        print(f"  {path.relative_to(ROOT)}{'/' if path.is_dir() else ''}")
    print("\nNext: noisecli verify demo/customers.csv    (with .venv/bin/ in front, or after `. .venv/bin/activate`)")
    return 0


def compare_tables() -> None:
    """Print some training rows, before -> after."""
    options = csv.ParseOptions(newlines_in_values=True)
    clean = csv.read_csv(SAMPLES / "customers.csv", parse_options=options).to_pylist()
    noisy = {}
    for row in csv.read_csv(DEMO / "customers.csv", parse_options=options).to_pylist():
        noisy.setdefault(row["customer_id"], row)
    changed = [row for row in clean if sum(row[name] != noisy[row["customer_id"]][name] for name in SHOWN) >= 4]
    table = Table("column", *(row["customer_id"] for row in changed[:3]), title="customers.csv, before -> after")
    for name in SHOWN[1:]:
        table.add_row(name, *(_cell(row[name], noisy[row["customer_id"]][name]) for row in changed[:3]))
    console = Console(width=110)
    console.print(table)
    rows = parquet.read_metadata(DEMO / "customers.parquet").num_rows
    console.print(f"customers.parquet: {len(clean)} rows before, {rows} after (duplicates)")


def compare_images() -> None:
    """Print how far the struck images are from the clean ones."""
    table = Table("image", "mean before", "mean after", "PSNR dB", title="images, before -> after")
    for path in sorted((SAMPLES / "images").rglob("*.*"))[:60]:
        other = DEMO / "images" / path.relative_to(SAMPLES / "images")
        if path.read_bytes() == other.read_bytes() or table.row_count == 5:
            continue
        before, after = (np.asarray(Image.open(p).convert("RGB"), dtype=float) for p in (path, other))
        error = max(float(np.mean((before - after) ** 2)), 1e-9)
        psnr = 10 * np.log10(255**2 / error)
        table.add_row(str(path.relative_to(SAMPLES)), f"{before.mean():.1f}", f"{after.mean():.1f}", f"{psnr:.1f}")
    Console(width=110).print(table)


def _cell(before: object, after: object) -> str:
    old, new = ("(missing)" if value is None else str(value) for value in (before, after))
    return old if old == new else f"{old} -> [bold]{new}[/bold]"


if __name__ == "__main__":
    sys.exit(main())
