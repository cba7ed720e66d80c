"""Whoever gets a dump of the database gets no address, no context and no message in clear (SEC-1)."""

import pytest

from tests import traces
from tests.canaries import find
from tests.canary_requests import Told
from tests.running_stack import RunningStack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def dumped(stack: RunningStack, told: Told) -> str:
    return traces.dump(stack)


def test_it_is_the_database_that_was_written_to(dumped: str, told: Told) -> None:
    rows = traces.tables(dumped)

    for table in (
        "crm_contact_points",
        "crm_communication_requests",
        "crm_communications",
        "crm_delivery_logs",
        "crm_attachments",
    ):
        assert len(rows[table].splitlines()) >= len(told.mailed), table
    assert b"leak-client-1\t" in rows["crm_clients"]


def test_nothing_that_was_told_about_people(dumped: str, told: Told) -> None:
    """Addresses, phones, contexts, subjects, texts, refusals: plain, escaped, in base64, in hexadecimal."""
    assert find(told.canaries.needles, {"dump": dumped.encode()}) == []


def test_names_stand_in_one_column(dumped: str, told: Told) -> None:
    """Staff search clients by name, so that one column has it."""
    assert find(told.canaries.names, {"dump": dumped.encode()})

    elsewhere = traces.without_column(dumped, "crm_clients", "name")
    assert len(elsewhere.splitlines()) == len(dumped.splitlines())
    assert find(told.canaries.names, {"dump": elsewhere.encode()}) == []


def test_no_sentence_of_a_message(stack: RunningStack, dumped: str, told: Told) -> None:
    """The fixed words of the templates are there, as templates; what was made of them for somebody is not."""
    mails = [mail for address in told.mailed for mail in stack.mails_to(address)]
    assert len(mails) == len(told.mailed)
    for caught in mails:
        mail = stack.parsed_mail(caught["id"])
        text = mail.get_body(("plain",))
        assert text is not None
        lines = [line for line in text.get_content().splitlines() if "leak-plan" in line or "kan" in line]
        spoken = {line.strip(): f"a line of {mail['Subject']}" for line in lines if len(line) > 12}
        assert find({str(mail["Subject"]): "a subject"} | spoken, {"dump": dumped.encode()}) == []
