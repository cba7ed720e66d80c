"""A worker process without Celery: the product's own dispatch loop, until nothing is due.

Says `ready`, waits for `go`, then for each line prints what became of it. `go` works until the queue is empty;
each answer holds how many rows were worked on, the seconds it took, and samples of the memory meanwhile.
"""

import json
import os
import sys
import time
from pathlib import Path

import django

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES / 1_048_576


def main() -> None:
    django.setup()
    from django.db import connection

    from communications.services.dispatch import dispatch_due

    connection.ensure_connection()
    print("ready", flush=True)
    for _ in sys.stdin:
        begun, worked, samples = time.monotonic(), 0, []
        while taken := dispatch_due(seconds=1.0):
            worked += taken
            samples.append([worked, round(resident_megabytes(), 2)])
        answer = {"worked": worked, "seconds": time.monotonic() - begun, "megabytes": samples}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
