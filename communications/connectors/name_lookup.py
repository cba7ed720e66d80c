"""Looking a server's name up within a time limit, which getaddrinfo does not have."""

import socket
import threading
from concurrent.futures import Future
from typing import Any

_under_way: dict[tuple[str, int], "Future[list[Any]]"] = {}
_lock = threading.Lock()


def look_up(host: str, port: int, *, seconds: float) -> list[Any]:
    """`socket.getaddrinfo` for TCP. Raises its OSErrors, and TimeoutError when `seconds` are over.

    A look-up that hangs is left to end by itself in its thread; who asks for the same name meanwhile waits for that
    one, so a name server that is gone costs one thread and not one for each call.
    """
    try:
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name
    with _lock:
        answer = _under_way.get((host, port))
        if answer is None:
            answer = _under_way[host, port] = Future()
            threading.Thread(target=_ask, args=(host, port, answer), name="name-lookup", daemon=True).start()
    return answer.result(max(seconds, 0.0))


def _ask(host: str, port: int, answer: "Future[list[Any]]") -> None:
    try:
        found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except BaseException as error:
        answer.set_exception(error)
    else:
        answer.set_result(found)
    finally:
        with _lock:
            del _under_way[host, port]
