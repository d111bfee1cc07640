"""Record what scikit-image says of some pictures, for `test_measures.py`: python tests/record_ssim.py

Needs scikit-image, which nothing else here does; the figures in `ssim.json` are of its version 0.26.0.
"""

import json
from pathlib import Path

import numpy as np

SHAPES = {
    "grey": (40, 33, 1, 8),
    "colour": (64, 48, 3, 8),
    "deep grey": (30, 50, 1, 16),
    "smallest": (11, 11, 3, 8),
    "long": (12, 3000, 3, 8),
}


def pictures(name: str) -> tuple[np.ndarray, np.ndarray]:
    """A picture with slopes, edges and texture, and the same with some damage; made of whole numbers only."""
    height, width, channels, bits = SHAPES[name]
    y, x, c = np.mgrid[:height, :width, :channels]
    peak, scale = 2**bits - 1, 2 ** (bits - 8)
    clean = (3 * x + 2 * y + 40 * c + 60 * ((x // 7 + y // 5) % 2) + (x * x * 31 + y * 57 + x * y * 17) % 23) % 256
    damage = (x * 7919 + y * y * 104729 + x * y * 31 + c * 613) % 61 - 30
    noisy = np.clip(clean + damage * (x > width // 3), 0, 255)
    kind = np.uint8 if bits == 8 else np.uint16
    return np.minimum(clean * scale, peak).astype(kind), np.minimum(noisy * scale, peak).astype(kind)


def _record() -> dict[str, dict[str, float]]:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    found = {}
    for name, (*_, bits) in SHAPES.items():
        clean, noisy = pictures(name)
        peak = 2**bits - 1
        how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2}
        found[name] = {
            "ssim": float(structural_similarity(clean, noisy, data_range=peak, **how)),
            "psnr": float(peak_signal_noise_ratio(clean, noisy, data_range=peak)),
        }
    return found


if __name__ == "__main__":
    Path(__file__).with_name("ssim.json").write_text(json.dumps(_record(), indent=1) + "\n", encoding="utf-8")
