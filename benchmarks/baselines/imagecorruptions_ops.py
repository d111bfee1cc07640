"""The ops of ImageNet-C on photographs of 500 x 375 with imagecorruptions-imaug: IMAGES. Timed inside."""

import sys
import warnings

import imagecorruptions

from benchmarks.inputs import picture
from benchmarks.stopwatch import Stopwatch

SEVERITY = 3


def main(images: int) -> None:
    """Print what each op took."""
    warnings.simplefilter("ignore")
    pictures = [picture(number) for number in range(images)]
    watch = Stopwatch()
    for name in imagecorruptions.get_corruption_names("all"):
        imagecorruptions.corrupt(pictures[0], SEVERITY, name)
        with watch.part({"elastic_transform": "elastic"}.get(name, name)):
            noisy = [imagecorruptions.corrupt(pixels, SEVERITY, name) for pixels in pictures]
        assert all(one.shape == other.shape for one, other in zip(pictures, noisy, strict=True))
    watch.print()


if __name__ == "__main__":
    main(int(sys.argv[1]))
