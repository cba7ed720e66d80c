"""The container's health check: exit code 0 when the web process in it answers, 1 when it does not."""

import http.client
import os
import sys
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5


def is_live(public_url: str) -> bool:
    """Asks as the reverse proxy would, by the public name: Django answers to no other."""
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/api/crm/health/live", headers={"Host": urlsplit(public_url).netloc})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_live(os.environ.get("CRM_PUBLIC_URL", "http://localhost:8000")) else 1)
