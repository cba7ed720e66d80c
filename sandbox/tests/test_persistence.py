import os
import re
import smtplib
from datetime import UTC, datetime

import pytest

from sandbox.smtp.store import FILE_NAME, MessageStore, StateInUseError
from sandbox.testing import running_sandbox
from sandbox.tests.conftest import plain_mail


def send_to(sandbox, *numbers):
    with smtplib.SMTP(sandbox.smtp_host, sandbox.smtp_port, timeout=10) as client:
        for number in numbers:
            client.sendmail("a@example.com", ["b@example.com"], plain_mail(number))


def test_a_second_run_sees_the_first_one_s_mails(tmp_path):
    with running_sandbox(tmp_path) as first:
        send_to(first, 1, 2)
        before = first.messages()
    with running_sandbox(tmp_path) as second:
        assert second.messages() == before
        send_to(second, 3)
        assert [mail.id for mail in second.messages()] == [1, 2, 3]
        assert [mail.id for mail in second.messages(message_id="2@example.com")] == [2]


def test_ids_go_on_after_deleting_and_a_restart(tmp_path):
    with running_sandbox(tmp_path) as first:
        send_to(first, 1, 2)
        first.clear()
    with running_sandbox(tmp_path) as second:
        assert second.messages() == []
        send_to(second, 3)
        assert [mail.id for mail in second.messages()] == [3]


def test_a_tail_torn_anywhere_costs_only_its_mail(tmp_path):
    """What SIGKILL in the middle of a write leaves behind."""
    path = tmp_path / FILE_NAME
    with running_sandbox(tmp_path) as sandbox:
        send_to(sandbox, 1)
        whole = path.stat().st_size
        send_to(sandbox, 2)
    complete = path.read_bytes()
    for size in range(whole + 1, len(complete), 11):
        path.write_bytes(complete[:size])
        with running_sandbox(tmp_path) as sandbox:
            assert [mail.raw for mail in sandbox.messages()] == [plain_mail(1)]
            send_to(sandbox, 4)
            assert [mail.message_id for mail in sandbox.messages()] == ["<1@example.com>", "<4@example.com>"]


def test_killed_while_deleting(tmp_path):
    """The mark is written over the beginning, then the rest is cut off; here the cut did not come."""
    path = tmp_path / FILE_NAME
    with running_sandbox(tmp_path) as sandbox:
        send_to(sandbox, 1, 2)
        full = path.read_bytes()
        sandbox.clear()
    mark = path.read_bytes()
    path.write_bytes(mark + full[len(mark) :])
    with running_sandbox(tmp_path) as sandbox:
        assert sandbox.messages() == []
        send_to(sandbox, 3)
        assert [mail.id for mail in sandbox.messages()] == [3]


def test_a_full_disk_is_a_refusal_and_leaves_the_file_whole(sandbox, send, monkeypatch):
    """The one thing replaced is the operating system's write, which fails after half of the record."""
    send(1)
    write = os.pwrite

    def half(file, octets, offset):
        if len(octets) < 60:
            raise OSError(28, "No space left on device")
        return write(file, octets[: len(octets) // 2], offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", half)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            send(2)
    assert refused.value.smtp_code == 452
    send(3)
    assert [mail.message_id for mail in sandbox.messages()] == ["<1@example.com>", "<3@example.com>"]


def test_a_state_directory_has_one_owner(tmp_path):
    with (
        running_sandbox(tmp_path),
        pytest.raises(StateInUseError, match=re.escape(f"Another sandbox is using {tmp_path}")),
        running_sandbox(tmp_path),
    ):
        pass


def test_the_file_is_for_its_owner_only(tmp_path):
    with running_sandbox(tmp_path):
        assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_list_that_is_being_read_survives_deleting(tmp_path):
    store = MessageStore(tmp_path)
    try:
        for number in range(3):
            store.append(sender="a", recipients=["b"], raw=plain_mail(number), now=datetime.now(UTC))
        ids = store.ids()
        assert next(ids) == 1
        store.clear()
        store.append(sender="a", recipients=["b"], raw=plain_mail(4), now=datetime.now(UTC))
        assert list(ids) == [4]
        assert store.get(2) is None
    finally:
        store.close()
