"""Put a report in its place: whole or not at all, and never over what is not a report."""

from pathlib import Path

from noisecli.errors import UsageProblem
from noisecli.report.figures import IMAGE_COLUMNS, TABLE_COLUMNS
from noisecli.report.page import GENERATOR
from noisecli.run.commit import replacing

HEADERS = (",".join(TABLE_COLUMNS), ",".join(IMAGE_COLUMNS))


def check(path: Path, output: Path, source: Path) -> None:
    """Refuse a place for a report, before any work is done: in the data, or where something else stands.

    Raises:
        UsageProblem: the report cannot stand there.
    """
    if path.name == "-":
        raise UsageProblem("-: a report goes into a file: name one, such as report.html")
    for data in (output, source):
        if path.resolve() == data.resolve():
            raise UsageProblem(f"{path}: is the data itself: choose another place")
        if data.is_dir() and path.resolve().is_relative_to(data.resolve()):
            raise UsageProblem(f"{path}: lies inside {data}, which holds data and nothing else: choose another place")
    if path.exists() and not _is_report(path):
        raise UsageProblem(f"{path}: exists and is not a report of noisecli: move it away, or choose another place")


def _is_report(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(1000).decode("utf-8", "replace")
    return f'content="{GENERATOR}"' in start or start.partition("\n")[0] in HEADERS


def put(text: str, path: Path) -> None:
    """Write a report, in place of an older one."""
    with replacing(path) as draft:
        draft.write_bytes(text.encode("utf-8", "backslashreplace"))
