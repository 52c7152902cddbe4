"""What every Logits app shares: process shell, telemetry, relay, clients of our own APIs."""

import sys
from typing import Any, cast

# httpx brings a command line along wherever rich is installed, as it is beside Litestar: three megabytes of each
# process. It is built to do without, and an entry of None is how Python is told that a module isn't there.
cast("dict[str, Any]", sys.modules).setdefault("httpx._main", None)
