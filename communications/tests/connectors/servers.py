"""Servers that misbehave in ways that no provider's stand-in should learn."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def serving(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """The URL of a server that treats each connection by `serve`, which ends when the event is set."""
    stop = threading.Event()
    peers: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)

    def accept() -> None:
        while not stop.is_set():
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                continue
            peer.settimeout(10)
            peers.append(threading.Thread(target=_with, args=(peer, serve, stop)))
            peers[-1].start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        for each in peers:
            each.join()
        listener.close()


def _with(peer: socket.socket, serve: Callable[..., None], stop: threading.Event) -> None:
    with peer:
        try:
            serve(peer, stop)
        except OSError:
            return  # the other side went away, which is what some of them want


def read_request(peer: socket.socket) -> bytes:
    """Head and body of one request."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = peer.recv(65536)
        if not piece:
            return got
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted:
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


def drips(peer: socket.socket, stop: threading.Event) -> None:
    """Every single read is quick, the whole never ends."""
    read_request(peer)
    peer.sendall(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while not stop.wait(0.05):
        peer.sendall(b" ")


def hangs_up(peer: socket.socket, _stop: threading.Event) -> None:
    read_request(peer)


def never_reads(peer: socket.socket, stop: threading.Event) -> None:
    stop.wait(20)


def answers(raw: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def serve(peer: socket.socket, _stop: threading.Event) -> None:
        while read_request(peer):
            peer.sendall(raw)

    return serve


def http_answer(status: int, body: bytes, *, headers: str = "", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body
