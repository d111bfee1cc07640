"""What stands where in the bytes of a JPEG or PNG file: its pixels, and its EXIF block; nothing is decoded.

Damage behind the first byte of the pixels is not looked for: what was hit once can be hit again.
"""

from noisecli.imagefiles.jpeg import APP0, APP1, JPEG_START, MOST_IN_SEGMENT, as_segment, scans, segments
from noisecli.imagefiles.png import as_chunk, chunks, image_data

_EXIF = b"Exif\0\0"


def pixel_data(data: bytes) -> slice:
    """Return where the pixels stand: from their first byte to the end of the picture.

    Raises:
        DataProblem: the file is neither a JPEG nor a PNG, or ends before its pixels.
    """
    return scans(data) if data.startswith(JPEG_START) else image_data(data)


def read_exif(data: bytes) -> bytes:
    """Return the EXIF block of a file, as it stands in a TIFF; empty where there is none."""
    place = _exif_place(data)
    return b"" if place is None else data[place]


def with_exif(data: bytes, exif: bytes) -> bytes:
    """Return the file with another EXIF block; all else stays byte for byte.

    A JPEG in which the block does not fit, of nearly 64 KiB, comes back as it is.
    """
    place = _exif_place(data)
    if data.startswith(JPEG_START):
        if len(_EXIF + exif) > MOST_IN_SEGMENT:
            return data
        start, stop = _after_jfif(data) if place is None else (place.start - len(_EXIF) - 4, place.stop)
        return data[:start] + as_segment(APP1, _EXIF + exif) + data[stop:]
    start, stop = (pixel_data(data).start - 8,) * 2 if place is None else (place.start - 8, place.stop + 4)
    return data[:start] + as_chunk(b"eXIf", exif) + data[stop:]


def _exif_place(data: bytes) -> slice | None:
    if data.startswith(JPEG_START):
        for marker, place in segments(data):
            if marker == APP1 and data.startswith(_EXIF, place.start + 4):
                return slice(place.start + 4 + len(_EXIF), place.stop)
        return None
    for kind, place in chunks(data):
        if kind == b"eXIf" and place.stop <= len(data):
            return slice(place.start + 8, place.stop - 4)
    return None


def _after_jfif(data: bytes) -> tuple[int, int]:
    """Where a segment is put that is not there yet: JFIF wants to come first, and EXIF then."""
    place = 2
    for marker, taken in segments(data):
        if marker != APP0:
            break
        place = taken.stop
    return place, place
