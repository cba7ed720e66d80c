"""Asking clamd whether a file is infected, by its INSTREAM command (man clamd, "COMMANDS")."""

import socket
import struct
import time
from typing import Final

from communications.rules.files import FileRefused

SECONDS: Final = 30.0

_CHUNK_BYTES: Final = 64 * 1024
_MAX_ANSWER_BYTES: Final = 4096


class ScannerAway(Exception):
    """clamd was not reached, broke off, or could not scan: nothing is known about the file."""


def scan(content: bytes, *, clamd: tuple[str, int] | str, seconds: float = SECONDS) -> None:
    """Returns when clamd, at `clamd` (host and port, or the path of its socket), finds nothing.

    Raises FileRefused for an infected file, and ScannerAway.
    """
    try:
        answer = _ask(content, clamd, time.monotonic() + seconds)
    except OSError as error:
        raise ScannerAway(type(error).__name__) from error
    if answer == "stream: OK":
        return
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        raise FileRefused(
            "The virus scanner found something in this file. Send a clean one.", code="infected_file"
        )
    # Among them "INSTREAM size limit exceeded": StreamMaxLength is below what one file may have.
    raise ScannerAway("clamd could not scan")


def _ask(content: bytes, address: tuple[str, int] | str, deadline: float) -> str:
    with _connect(address, deadline) as connection:
        connection.sendall(b"zINSTREAM\0")
        for start in range(0, len(content), _CHUNK_BYTES):
            chunk = content[start : start + _CHUNK_BYTES]
            connection.settimeout(_left(deadline))
            connection.sendall(struct.pack("!L", len(chunk)) + chunk)
        connection.sendall(struct.pack("!L", 0))
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < _MAX_ANSWER_BYTES:
            connection.settimeout(_left(deadline))
            received = connection.recv(_MAX_ANSWER_BYTES)
            if not received:
                break
            answer += received
    return answer.rstrip(b"\0\n").decode("utf-8", "replace")


def _connect(address: tuple[str, int] | str, deadline: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout=_left(deadline))
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_left(deadline))
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
