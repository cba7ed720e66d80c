"""The SMTP sink of the benchmarks: it counts, writes down, and fails at exact points."""

import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.children import SinkProcess, running_sink
from bench.taken import Taken

MAIL = "Message-ID: <a@b.example>\r\nSubject: x\r\n\r\nHello\r\n"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "taken.jsonl"


@pytest.fixture
def sink(record: Path) -> Iterator[SinkProcess]:
    with running_sink(record=str(record), seed=1) as running:
        yield running


@pytest.fixture
def send(sink: SinkProcess) -> Callable[[], None]:
    def once() -> None:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
            client.sendmail("from@planiva.example", ["f7@clients.example"], MAIL)

    return once


def test_it_counts_and_writes_down_what_it_took(
    sink: SinkProcess, send: Callable[[], None], record: Path
) -> None:
    send()
    send()

    assert sink.counts() == {"taken": 2, "before": 0, "after": 0}
    first, second = Taken(record).new_lines()
    assert (first["to"], first["message_id"], first["answer"]) == (
        "f7@clients.example",
        "<a@b.example>",
        "answered",
    )
    assert first["mail_at"] <= first["data_at"] <= first["at"] <= second["mail_at"]


def test_dropped_before_the_data_nothing_was_taken(
    sink: SinkProcess, send: Callable[[], None], record: Path
) -> None:
    sink.behave(drop_before_data=1.0)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send()

    assert sink.counts() == {"taken": 0, "before": 1, "after": 0}
    assert Taken(record).new_lines() == []


def test_dropped_after_the_data_it_was_taken(
    sink: SinkProcess, send: Callable[[], None], record: Path
) -> None:
    sink.behave(drop_after_data=1.0)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send()

    assert sink.counts() == {"taken": 1, "before": 0, "after": 1}
    assert [line["answer"] for line in Taken(record).new_lines()] == ["dropped"]
