"""Record what the ops of ImageNet-C do to photographs, for `test_published.py`: python tests/record_imagenet_c.py

Needs imagecorruptions-imaug and scikit-image, which nothing else here does; `imagenet_c.json` names their versions.
Where that package is not what ImageNet-C describes, a version of the description's own is recorded besides it.
"""

import json
import math
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = Path(__file__).parents[1] / "docs" / "photographs"
FIGURES = Path(__file__).with_name("imagenet_c.json")
PACKAGES = ("imagecorruptions-imaug", "scikit-image", "opencv-python", "scipy", "numpy", "pillow")
SEEDS = 24
WITHOUT_CHANCE = {
    "gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "contrast", "saturate", "pixelate", "jpeg_compression",
}  # fmt: skip
SEEDED = {"impulse_noise", "glass_blur"}
"""What takes a seed of its own; all else draws from numpy's global state."""

Picture = np.ndarray
Damage = Callable[[Picture, int, int], Picture]

ELASTIC = ((488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88))
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)


def elastic_transform(clean: Picture, severity: int, seed: int) -> Picture:
    """Three points move by up to `affine` px and the picture with them; then every pixel moves along a smooth field."""
    import cv2
    from scipy.ndimage import gaussian_filter, map_coordinates

    alpha, sigma, affine = ELASTIC[severity - 1]
    rng = np.random.default_rng(seed)
    height, width = clean.shape[:2]
    reach = min(height, width) // 3
    corners = np.array([[1, 1], [1, -1], [-1, -1]]) * reach + [height // 2, width // 2]
    moved = corners + rng.uniform(-affine, affine, (3, 2))
    turn = cv2.getAffineTransform(np.float32(corners), np.float32(moved))
    turned = cv2.warpAffine(np.float32(clean), turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    field = [
        alpha * gaussian_filter(rng.uniform(-1, 1, (height, width)), sigma, mode="reflect", truncate=3)
        for _ in range(2)
    ]
    places = np.mgrid[:height, :width] + field
    return np.stack([map_coordinates(turned[..., c], places, order=1, mode="reflect") for c in range(3)], axis=2)


def motion_blur(clean: Picture, severity: int, seed: int) -> Picture:
    """The half of a Gaussian, 2 radius + 1 px long, along a line whose places are rounded; borders are stretched."""
    radius, sigma = MOTION[severity - 1]
    angle = math.radians(np.random.default_rng(seed).uniform(-45, 45))
    length = np.arange(2 * radius + 1)
    weights = np.exp(-0.5 * (length / sigma) ** 2)
    height, width = clean.shape[:2]
    total = np.zeros(clean.shape)
    for step, weight in zip(length, weights / weights.sum(), strict=True):
        down, right = round(step * math.sin(angle)), round(step * math.cos(angle))
        rows, columns = (
            np.clip(np.arange(height) + down, 0, height - 1),
            np.clip(np.arange(width) + right, 0, width - 1),
        )
        total += weight * clean[np.ix_(rows, columns)]
    return total


def pixelate(clean: Picture, severity: int, seed: int) -> Picture:
    """Scaled down and up again, each by the mean of a box."""
    height, width = clean.shape[:2]
    small = (int(width * PIXELATE[severity - 1]), int(height * PIXELATE[severity - 1]))
    return np.asarray(Image.fromarray(clean).resize(small, Image.BOX).resize((width, height), Image.BOX))


DESCRIBED = (elastic_transform, motion_blur, pixelate)


def of_package(name: str) -> Damage:
    """An op of the package."""
    from imagecorruptions import corrupt

    def damage(clean: Picture, severity: int, seed: int) -> Picture:
        np.random.seed(seed)  # noqa: NPY002
        return corrupt(clean, severity, name, **({"seed": seed} if name in SEEDED else {}))

    return damage


def figures(damage: Damage, photographs: list[Picture], seeds: int) -> dict[str, list[float]]:
    """Means over pictures and seeds, by severity, and how far the mean over pictures strays from seed to seed."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2, "data_range": 255}
    found: dict[str, list[float]] = {"psnr": [], "psnr_sd": [], "ssim": [], "ssim_sd": []}
    for severity in range(1, 6):
        both = np.zeros((seeds, len(photographs), 2))
        for seed, i in np.ndindex(both.shape[:2]):
            clean = photographs[i]
            noisy = np.uint8(np.clip(damage(clean, severity, 1000 * seed + i), 0, 255))  # cut off, as the package does
            both[seed, i] = peak_signal_noise_ratio(clean, noisy), structural_similarity(clean, noisy, **how)
        means = both.mean(axis=1)
        for key, values in zip(("psnr", "ssim"), means.T, strict=True):
            found[key].append(round(float(values.mean()), 4))
            found[f"{key}_sd"].append(round(float(values.std()), 4))
    return found


def record(folder: Path) -> dict[str, object]:
    """Everything about the PNG files of a folder."""
    from imagecorruptions import get_corruption_names

    paths = sorted(folder.glob("*.png"))
    photographs = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    names = get_corruption_names("all")
    ops = {name: figures(of_package(name), photographs, 1 if name in WITHOUT_CHANCE else SEEDS) for name in names}
    described = {
        damage.__name__: figures(damage, photographs, 1 if damage.__name__ in WITHOUT_CHANCE else SEEDS)
        for damage in DESCRIBED
    }
    about = {
        "photographs": [path.name for path in paths],
        "seeds": SEEDS,
        "versions": {package: version(package) for package in PACKAGES},
    }
    return {**about, "imagecorruptions": ops, "described": described}


if __name__ == "__main__":
    folder, target = map(Path, sys.argv[1:]) if sys.argv[1:] else (PHOTOGRAPHS, FIGURES)
    target.write_text(json.dumps(record(folder), indent=1) + "\n", encoding="utf-8")
