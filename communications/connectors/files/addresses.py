"""How addresses of files and scanners are written in settings. Standard library only: settings read it."""

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

PORTS: Final = {"https": 443, "http": 80}
_CLAMD_PORT: Final = 3310


def origin_of(url: str) -> str:
    """Scheme, host and port, as http://127.0.0.1:8080. Raises ValueError with a sentence."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if not host or parts.scheme not in PORTS:
        raise ValueError(
            "write origins as https://files.example.com or http://10.0.0.5:9000, separated by commas"
        )
    return f"{parts.scheme}://{host}:{port or PORTS[parts.scheme]}"


@lru_cache(maxsize=4)
def trusted_origins(value: str) -> frozenset[str]:
    """The origins of a setting, separated by commas. Raises ValueError with a sentence."""
    return frozenset(origin_of(each.strip()) for each in value.split(",") if each.strip())


def clamd_address(value: str) -> tuple[str, int] | str | None:
    """Host and port of tcp://host:port, the path of unix:///path, None for "". Raises ValueError with a sentence."""
    if not value.strip():
        return None
    try:
        parts = urlsplit(value)
        port = parts.port or _CLAMD_PORT
    except ValueError:
        parts, port = urlsplit(""), _CLAMD_PORT
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        return parts.path
    if parts.scheme == "tcp" and parts.hostname and parts.path in {"", "/"}:
        return parts.hostname, port
    raise ValueError("write where clamd listens as tcp://host:3310 or unix:///run/clamav/clamd.ctl")
