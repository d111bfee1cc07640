"""Decode each clean JPEG and encode the noisy pixels as noisecli does, in processes: CLEAN PIXELS OUTPUT WORKERS.

PIXELS is a folder with an array of noisy pixels for each image.
"""

import hashlib
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.baselines.proof import sync


def main(clean: Path, pixels: Path, output: Path, workers: int) -> None:
    """Write all images, hash what is read and written, sync."""
    output.mkdir()
    tasks = [(path, pixels / f"{path.stem}.npy", output / path.name) for path in sorted(clean.glob("*.jpg"))]
    with ProcessPoolExecutor(workers, get_context("fork")) as pool:
        digests = list(pool.map(one, tasks, chunksize=8))
    sync((target for _, _, target in tasks), threads=8)
    print(len(digests))


def one(task: tuple[Path, Path, Path]) -> tuple[str, str]:
    """Decode one, encode one."""
    clean, noisy, target = task
    data = clean.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    with Image.open(clean) as image:
        np.asarray(image.convert("RGB"))
    Image.fromarray(np.load(noisy)).save(target, quality=95, subsampling="4:4:4")
    return digest, hashlib.sha256(target.read_bytes()).hexdigest()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]))
