"""What the server imports before it forks workers, so that none of them has to.

Modules are no garbage: looking for some in them takes as long as importing numpy, and half as long again at the end of
the server, and workers that look there get copies of their memory. So they are left out of that for good.
"""

import gc

gc.disable()  # workers enable it

import noisecli.formats.parquet  # noqa: E402
import noisecli.run.images.tars  # noqa: E402
import noisecli.run.work  # noqa: E402, F401

gc.freeze()
