"""Record the golden digests anew: `python -m tests.golden`, or `make golden`. Read the difference before committing."""

import json
import tempfile
from pathlib import Path

from noisecli.manifest import environment

from . import DIGESTS, digests

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        data = {"environment": environment(), "digests": digests(Path(folder))}
    DIGESTS.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(data['digests'])} digests in {DIGESTS}")
