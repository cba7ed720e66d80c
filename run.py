#!/usr/bin/env python3
"""The front door: `python3 run.py demo | test | up | check | bench | manage`. Needs Python 3.11, nothing else."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older one must get a sentence, not a traceback
    sys.exit(
        f"This needs Python 3.11 or newer; this is Python {sys.version_info[0]}.{sys.version_info[1]}. "
        "Run it with a newer one, for instance `python3.11 run.py demo`."
    )

if sys.platform == "win32":
    sys.exit("This needs Linux or macOS. On Windows run it inside WSL.")

from devstack.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
