"""Ops on photographs of 500 x 375 with albumentations, as strong as noisecli's severity 3: IMAGES. Timed inside."""

import os
import sys

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for its newest version

import albumentations

from benchmarks.inputs import picture
from benchmarks.stopwatch import Stopwatch

OPS = {
    "gaussian_noise": albumentations.GaussNoise(std_range=(0.18, 0.18), p=1),
    "shot_noise": albumentations.ShotNoise(scale_range=(1 / 12, 1 / 12), p=1),
    "gaussian_blur": albumentations.GaussianBlur(sigma_limit=(3, 3), blur_limit=0, p=1),
    "glass_blur": albumentations.GlassBlur(sigma=1, max_delta=2, iterations=3, p=1),
    "jpeg_compression": albumentations.ImageCompression(quality_range=(15, 15), p=1),
}


def main(images: int) -> None:
    """Print what each op took."""
    pictures = [picture(number) for number in range(images)]
    watch = Stopwatch()
    for name, op in OPS.items():
        op(image=pictures[0])
        with watch.part(name):
            noisy = [op(image=pixels)["image"] for pixels in pictures]
        assert all((one != other).any() for one, other in zip(pictures, noisy, strict=True))
    watch.print()


if __name__ == "__main__":
    main(int(sys.argv[1]))
