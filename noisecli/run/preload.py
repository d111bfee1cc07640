"""What the server imports before it forks workers, so that none of them has to.

Modules are no garbage: looking for some in them takes 0.2 s, as they come and when the server ends, and a worker that
looks there gets copies of memory that all could share.
"""

import gc

gc.disable()

import noisecli.formats.parquet  # noqa: E402
import noisecli.run.images.tars  # noqa: E402
import noisecli.run.work  # noqa: E402, F401

gc.freeze()
gc.enable()  # the server may fork processes of other packages, too
