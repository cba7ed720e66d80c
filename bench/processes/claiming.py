"""Claims rows in batches until nothing is due. Says `ready`, waits, prints the milliseconds of each claim."""

import json
import sys
import time
from datetime import timedelta

import django


def main() -> None:
    limit = int(sys.argv[1])
    django.setup()
    from django.db import connection

    from communications.services.queue import claim_due

    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    begun, worked, claims = time.monotonic(), 0, []
    while True:
        started = time.monotonic()
        claim = claim_due(limit=limit, offset=timedelta(), worker="worker:a")
        if claim is None:
            break
        worked += len(claim.ids)
        if len(claim.ids) >= limit * 3 // 4:  # a share is kept free for other priorities
            claims.append((time.monotonic() - started) * 1000)
    print(json.dumps({"worked": worked, "seconds": time.monotonic() - begun, "claims": claims}), flush=True)


if __name__ == "__main__":
    main()
