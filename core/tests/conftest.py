import pytest

from core import outbox
from core.tests.captured_log import log
from core.tests.outbox_reader import Reader

__all__ = ["log"]


@pytest.fixture
def only_own_consumers(monkeypatch):
    monkeypatch.setattr(outbox, "_consumers", {})


@pytest.fixture
def reader(only_own_consumers):
    return Reader("reader", "plan.changed", "client.changed")
