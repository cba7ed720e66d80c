"""A digest and the messages in it, on their pages and in the API: what became of it is told from the digest (STR-4)."""

from datetime import datetime, timedelta

import pytest

from communications.choices import MessageType, Status, Urgency
from communications.models import Communication
from communications.services.digests import release_digests
from communications.services.dispatch import dispatch_due
from communications.tests.factories import a_command, a_communication
from communications.tests.web.pages import assert_inert, words_of
from core import clock
from core.scopes import Scope
from core.tests.api.callers import service

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready")]

SLOT = datetime.fromisoformat("2030-11-21T10:00:00+05:30")


@pytest.fixture
def members():
    """Two messages that are held for tomorrow at ten."""
    clock.move_to(SLOT - timedelta(hours=14))
    first = a_command()
    return [
        a_communication(
            message_type=MessageType.CUSTOM,
            urgency=Urgency.LOW,
            client_reference=first.client_reference,
            plan_reference=first.plan_reference,
            context={**first.context, "subject": text, "message": f"{text}."},
        )
        for text in ("Flowers", "Band")
    ]


def page_of(reader, row):
    response = reader.get(f"/communications/{row.id}/")
    assert response.status_code == 200
    assert_inert(response)
    return words_of(response)


def sent_digest(smtp, **behaviour):
    clock.move_to(SLOT + timedelta(minutes=1))
    release_digests(now=clock.now())
    if behaviour:
        smtp.behave(**behaviour)
    dispatch_due()
    return Communication.objects.get(message_type="digest")


def test_one_that_is_held_says_when_and_why(reader, members):
    told = page_of(reader, members[0])
    assert "It waits until 10:00 on Thu 21 November in Kolkata" in told
    assert "because messages of low urgency go out once a day. It was held for the next digest." in told
    assert "What is next: It goes out with the digest of 10:00." in told
    assert "Goes out Thu 21 Nov" in told
    assert "What was decided e-mail Thu 21 Nov 2030, 10:00 Kolkata" in told
    assert "If that fails no other channel was open" in told
    assert (
        "It joins the digest of that time. The rule: The message is held, and goes out in one digest" in told
    )
    assert "If it were asked for now E-mail, Thu 21 Nov 2030, 10:00 Kolkata" in told
    history = words_of(reader.get("/history/"))
    assert history.count("goes out Thu 21 Nov") == 2


def test_a_member_shows_its_digest_and_the_digest_its_members(reader, members, smtp):
    digest = sent_digest(smtp)
    told = page_of(reader, members[0])
    assert "it was put into a digest. What is next: Its digest went out at" in told
    assert "In a digest sent" in told
    assert (
        f'href="/communications/{digest.id}/"'
        in reader.get(f"/communications/{members[0].id}/").content.decode()
    )
    about = page_of(reader, digest)
    assert "It brings together 2 messages that could wait." in about
    assert "In this digest" in about
    content = reader.get(f"/communications/{digest.id}/").content.decode()
    assert all(f'href="/communications/{member.id}/"' in content for member in members)
    assert words_of(reader.get("/history/")).count("its digest: sent") == 2


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (
            {"mode": "refuse", "code": 550, "text": "5.1.1 no", "stage": "rcpt"},
            "Its digest could not be delivered.",
        ),
        ({"mode": "drop_after_data"}, "Nobody knows whether its digest arrived"),
    ],
)
def test_failure_and_doubt_of_the_digest_are_told_on_its_members(reader, members, smtp, behaviour, words):
    sent_digest(smtp, **behaviour)
    told = page_of(reader, members[1])
    assert words in told
    assert "What helps: Look at its digest" in told
    members[1].refresh_from_db()
    assert members[1].status == Status.MERGED


def test_the_api_tells_the_same(members, smtp):
    digest = sent_digest(smtp)
    caller = service(Scope.READ)
    answer = caller.get(f"/api/crm/communications/{members[0].id}").json()
    assert answer["status"] == "merged"
    assert answer["digest"]["communication_id"] == str(digest.id)
    assert (answer["digest"]["status"], bool(answer["digest"]["sent_at"])) == ("sent", True)
    whole = caller.get(f"/api/crm/communications/{digest.id}").json()
    assert (whole["digest"], whole["message_type"]) == (None, "digest")
    assert set(whole["members"]) == {str(member.id) for member in members}
    lines = caller.get("/api/crm/communications").json()["communications"]
    assert sorted((line["digest"] or {}).get("status", "") for line in lines) == ["", "sent", "sent"]
    explained = caller.get(f"/api/crm/communications/{members[0].id}/explain").json()
    assert explained["next"].startswith("Its digest went out")


def test_nobody_asks_for_a_digest():
    answer = service(Scope.WRITE).post(
        "/api/crm/communications",
        {"plan_id": "p", "client_id": "c", "message_type": "digest", "context": {"client_name": "Priya"}},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "made_here"
