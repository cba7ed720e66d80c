"""The one HTTP caller of all connectors: bounded as a whole, and honest about what left."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from communications.connectors.http import HttpCaller, NoAnswer, NotSent
from communications.tests.connectors.servers import (
    answers,
    drips,
    hangs_up,
    http_answer,
    never_reads,
    read_request,
    serving,
)


@contextmanager
def calling(**options: Any) -> Iterator[HttpCaller]:
    caller = HttpCaller(limit_seconds=options.pop("limit_seconds", 10.0))
    try:
        yield caller
    finally:
        caller.close()


def unused_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_nobody_listening_surely_got_nothing() -> None:
    with calling() as caller, pytest.raises(NotSent):
        caller.call("POST", f"http://127.0.0.1:{unused_port()}/", content=b"x")


def test_a_connection_lost_after_the_request_left_says_nothing() -> None:
    with serving(hangs_up) as url, calling() as caller, pytest.raises(NoAnswer):
        caller.call("POST", url, content=b"x")


def test_an_answer_that_drips_is_cut_off() -> None:
    with serving(drips) as url, calling(limit_seconds=0.5) as caller:
        began = time.monotonic()
        with pytest.raises(NoAnswer):
            caller.call("POST", url, content=b"x")
    assert time.monotonic() - began < 5


def test_a_request_that_could_not_be_handed_over_whole_was_not_made() -> None:
    with serving(never_reads) as url, calling(limit_seconds=1.0) as caller, pytest.raises(NotSent):
        caller.call("POST", url, content=b"x" * 50_000_000)


def test_a_name_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(host: str, *how: Any) -> Any:
        if socket.AI_NUMERICHOST in how:
            raise socket.gaierror
        answered.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with calling(limit_seconds=0.5) as caller:
        began = time.monotonic()
        with pytest.raises(NotSent):
            caller.call("GET", "http://api.provider.example/")
        took = time.monotonic() - began
        answered.set()
    assert took < 5


def test_an_endless_answer_is_no_answer() -> None:
    def flood(peer: socket.socket, stop: threading.Event) -> None:
        read_request(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not stop.is_set():
            peer.sendall(b"x" * 65536)

    with serving(flood) as url, calling() as caller, pytest.raises(NoAnswer):
        caller.call("GET", url)


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_costs_nothing() -> None:
    connections: list[int] = []

    def two_requests(peer: socket.socket, _stop: threading.Event) -> None:
        connections.append(1)
        for _ in range(2):
            read_request(peer)
            peer.sendall(http_answer(200, b"{}"))

    with serving(two_requests) as url, calling() as caller:
        for number in range(3):
            assert caller.call("GET", url).status == 200
            if number == 1:
                time.sleep(0.2)  # for the server's end of the connection to arrive
    assert len(connections) == 2


def test_nobody_is_followed_elsewhere() -> None:
    moved = http_answer(307, b"", headers="Location: http://127.0.0.1:1/\r\n")
    with serving(answers(moved)) as url, calling() as caller:
        assert caller.call("POST", url, content=b"x").status == 307
