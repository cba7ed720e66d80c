"""A file of addresses in and out: all of it or nothing, each problem with its line (SEC-5)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import Client
from clients.services.register import ContactDetails
from clients.tests.factories import a_client
from core.choices import Channel
from core.errors import Invalid
from core.models import AuditEntry
from preferences.choices import SuppressionReason
from preferences.models import ConsentEntry, Suppression
from preferences.rules.suppression_file import read_lines, write_line
from preferences.selectors.consent import allowed_channels
from preferences.services.suppression_lists import export_lines, import_list, suppress_address

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def problems_of(text: str | bytes) -> dict[str, str]:
    content = text if isinstance(text, bytes) else text.encode()
    return {problem.field: problem.code for problem in read_lines(content, now=NOW).problems}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("address,channel\na@example.com,fax\n", {"line 2": "invalid_channel"}),
        ("address,reason\na@example.com,because\n", {"line 2": "invalid_reason"}),
        (
            "address,since\na@example.com,yesterday\nb@example.com,2027-01-01",
            {"line 2": "invalid_since", "line 3": "out_of_range"},
        ),
        ("address,channel\n,email\n", {"line 2": "required"}),
        ("address_hash,channel\nabc,email\n", {"line 2": "invalid_hash"}),
        (f"address_hash\n{'a' * 64}\n", {"line 2": "channel_required"}),
        ("address\n" + "a" * 400, {"line 2": "too_long"}),
        ('address\n"never closed', {"file": "not_csv"}),
        ("", {"file": "empty"}),
        ("address\n\n \n", {"file": "empty"}),
        ("a\0b", {"file": "not_text"}),
        (b"\xff\xfea", {"file": "not_text"}),
        ("a@example.com\n" * 100_002, {"file": "too_long"}),
    ],
)
def test_rubbish_is_named_by_its_line(text: str, problems: dict[str, str]) -> None:
    assert problems_of(text) == problems


def test_with_and_without_a_header_with_a_bom_and_other_columns() -> None:
    assert [line.address for line in read_lines(b"a@example.com\n+919812345678\n", now=NOW).lines] == [
        "a@example.com",
        "+919812345678",
    ]
    content = "\ufeffName,Address,Reason\nPriya,a@example.com,Complaint\n".encode()
    (line,) = read_lines(content, now=NOW).lines
    assert (line.address, line.reason, line.number) == ("a@example.com", SuppressionReason.COMPLAINT, 2)


def test_no_cell_is_a_formula() -> None:
    assert (
        write_line(["=cmd()@example.com", "+919812345678", "plain"])
        == "'=cmd()@example.com,'+919812345678,plain\r\n"
    )


@pytest.mark.django_db
class TestStored:
    def test_a_list_is_taken_over_and_whom_it_touches_is_checked_anew(self) -> None:
        client = a_client(
            "client-1", ContactDetails(email="priya@example.com", phone="+919812345678"), now=NOW
        )
        version = Client.objects.get().gate_version
        done = import_list(
            content=b"Priya@Example.com\n+91 98123 45678\nnobody@example.com\n", actor="staff:1", now=NOW
        )
        assert (done.added, done.already) == (4, 0), "a phone number serves SMS and WhatsApp"
        assert allowed_channels([client.id])[client.id] == frozenset()
        assert Client.objects.get().gate_version > version
        again = import_list(content=b"priya@example.com\n", actor="staff:1", now=NOW)
        assert (again.added, again.already) == (0, 1)
        assert AuditEntry.objects.filter(action="suppression.imported").count() == 2

    def test_one_wrong_line_and_nothing_is_taken_over(self) -> None:
        content = b"address\na@example.com\nnot an address\nb@example.com\n12\n"
        with pytest.raises(Invalid) as refused:
            import_list(content=content, actor="staff:1", now=NOW)
        assert [(each.field, each.code) for each in refused.value.problems] == [
            ("line 3", "invalid_phone"),
            ("line 5", "invalid_phone"),
        ]
        assert "not an address" not in str([each.message for each in refused.value.problems])
        assert not Suppression.objects.exists()

    def test_an_email_address_takes_no_sms(self) -> None:
        with pytest.raises(Invalid) as refused:
            import_list(content=b"address,channel\na@example.com,sms\n", actor="staff:1", now=NOW)
        assert refused.value.problems[0].code == "wrong_channel"

    def test_an_opt_out_of_a_list_follows_the_client_to_the_next_address(self) -> None:
        client = a_client("client-1", ContactDetails(email="priya@example.com"), now=NOW)
        content = b"address,reason,since\npriya@example.com,opted_out,2026-01-31\n"
        import_list(content=content, actor="staff:1", now=NOW)
        entry = ConsentEntry.objects.filter(state="opted_out").latest("id")
        assert (entry.source, entry.occurred_at.date().isoformat()) == ("import", "2026-01-31")
        a_client("client-1", ContactDetails(email="new@example.com"), now=NOW + timedelta(days=1))
        assert Channel.EMAIL not in allowed_channels([client.id])[client.id]

    def test_what_goes_out_comes_in_again_also_where_only_the_hash_is_left(self) -> None:
        suppress_address(
            address="+919812345678",
            channels=[Channel.SMS],
            reason=SuppressionReason.COMPLAINT,
            actor="staff:1",
            now=NOW,
        )
        suppress_address(
            address="a@example.com",
            channels=[Channel.EMAIL],
            reason=SuppressionReason.ERASED,
            actor="staff:1",
            now=NOW,
        )
        Suppression.objects.filter(channel="email").update(address=None)
        before = {(row.channel, row.address_index, row.reason) for row in Suppression.objects.all()}
        content = "".join(export_lines(actor="staff:1", now=NOW)).encode()
        Suppression.objects.all().delete()
        import_list(content=content, actor="staff:1", now=NOW)
        assert {(row.channel, row.address_index, row.reason) for row in Suppression.objects.all()} == before
        assert AuditEntry.objects.get(action="suppression.exported").details == {"occurrences": 2}

    def test_a_long_list_takes_few_queries(self) -> None:
        counts = []
        for start, size in ((0, 10), (1000, 500)):
            lines = [f"p{number}@example.com" for number in range(start, start + size)]
            with CaptureQueriesContext(connection) as queries:
                import_list(content="\n".join(lines).encode(), actor="staff:1", now=NOW)
            counts.append(len(queries))
        assert counts[0] == counts[1]
