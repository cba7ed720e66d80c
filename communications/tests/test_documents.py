"""The blueprint from the request to the mail: made once, kept, sent as it was kept (EML-5)."""

import base64
from email import message_from_bytes, policy

import pytest
from django.db import connection

from communications.models import Attachment, Communication, CommunicationRequest, RequestAttachment
from communications.services import documents
from communications.services.dispatch import dispatch_due
from communications.services.documents import make_document, make_documents
from communications.tests.api.bodies import a_body
from communications.tests.files_server import a_pdf, a_png, file_server
from communications.tests.steps import due_again
from core import clock
from core.models import AttentionItem
from core.scopes import Scope
from core.tests.api.callers import assert_problem, codes_of, service
from core.tests.races import at_once

PATH = "/api/crm/communications"
MARKDOWN = "# Wedding of Priya Sharma\n\n## Vendors\n\n| For | Cost |\n|---|---|\n| Venue | ₹9,80,000 |\n"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("smtp", "templates")]


@pytest.fixture
def planner():
    return service(Scope.READ, Scope.WRITE)


def a_blueprint(attachments=..., **context):
    known = {"client_name": "Priya Sharma", "event_type": "wedding", "event_date": "2035-12-15"}
    return a_body(message_type="blueprint_delivery", context=known | context, attachments=attachments)


def b64(content):
    return base64.b64encode(content).decode()


def mailed(smtp):
    (caught,) = smtp.messages()
    mail = message_from_bytes(caught.raw, policy=policy.default)
    return [
        (part.get_filename(), part.get_content_type(), part.get_content()) for part in mail.iter_attachments()
    ]


def test_it_is_made_of_the_text_and_sent(planner, smtp):
    answer = planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN)).json()
    assert make_documents(now=clock.now()) == 1
    assert make_documents(now=clock.now()) == 0
    (listed,) = planner.get(f"{PATH}/{answer['communication_id']}").json()["attachments"]
    assert (listed["filename"], listed["made_by_us"]) == ("Wedding blueprint.pdf", True)
    assert dispatch_due() == 1
    ((name, kind, content),) = mailed(smtp)
    assert (name, kind, len(content)) == ("Wedding blueprint.pdf", "application/pdf", listed["size_bytes"])
    assert content.startswith(b"%PDF-")


def test_it_is_made_when_it_goes_out_if_nobody_did_before(planner, smtp):
    planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN))
    assert dispatch_due() == 1
    assert [name for name, _, _ in mailed(smtp)] == ["Wedding blueprint.pdf"]
    assert not CommunicationRequest.objects.get().document_pending


def test_it_comes_behind_what_the_caller_attached(planner, smtp):
    planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN, attachments=[{"content_base64": b64(a_png())}]))
    dispatch_due()
    assert [kind for _, kind, _ in mailed(smtp)] == ["image/png", "application/pdf"]


def test_a_retry_sends_what_was_kept(planner, smtp, settings):
    planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN))
    smtp.behave("refuse", code=451, text="4.3.0 try later")
    dispatch_due()
    kept = Attachment.objects.get()
    smtp.behave("accept")
    # What would be made now is another document.
    settings.CRM_COMPANY_NAME = "Another Name"
    due_again(Communication.objects.get())
    dispatch_due()
    ((_, _, content),) = mailed(smtp)
    assert len(content) == kept.size_bytes
    assert Attachment.objects.count() == 1


def test_a_given_pdf_is_taken_as_the_blueprint(planner, smtp):
    planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN, attachments=[{"content_base64": b64(a_pdf())}]))
    dispatch_due()
    assert [content for _, _, content in mailed(smtp)] == [a_pdf()]


def test_a_blueprint_behind_an_address_is_fetched(planner, smtp, settings):
    with file_server() as server:
        settings.CRM_ATTACHMENT_TRUSTED_ORIGINS = server.origin
        url = server.offers("/x/final-v3.pdf", a_pdf(b"from the planner"))
        body = a_blueprint(blueprint_url=f"{url}?token=1")
        first = planner.post(PATH, body)
        assert first.status_code == 202, first.content
        # Another token is the same blueprint.
        body["context"]["blueprint_url"] = f"{url}?token=2"
        assert planner.post(PATH, body).json()["duplicate"] is True
    dispatch_due()
    assert mailed(smtp) == [("blueprint.pdf", "application/pdf", a_pdf(b"from the planner"))]


@pytest.mark.parametrize(
    ("context", "errors"),
    [
        pytest.param(
            {"blueprint_ready": True, "blueprint_length": 5_000},
            {"context.final_blueprint": "missing_blueprint"},
            id="only said to be ready",
        ),
        pytest.param(
            {"final_blueprint": " \n "}, {"context.final_blueprint": "missing_blueprint"}, id="nothing in it"
        ),
        pytest.param({"final_blueprint": {"a": 1}}, {"context.final_blueprint": "wrong_type"}, id="no text"),
        pytest.param(
            {"final_blueprint": "x" * 200_001}, {"context.final_blueprint": "too_long"}, id="too long"
        ),
        pytest.param(
            {"blueprint_url": "https://127.0.0.1/"}, {"context.blueprint_url": "private_address"}, id="inside"
        ),
        pytest.param({"blueprint_url": 5}, {"context.blueprint_url": "wrong_type"}, id="no address"),
    ],
)
def test_what_is_missing_is_named_and_staff_are_told(planner, context, errors):
    body = assert_problem(planner.post(PATH, a_blueprint(**context)), 422, "invalid")
    assert codes_of(body) == errors
    assert AttentionItem.objects.get().kind == "request_refused"
    assert not CommunicationRequest.objects.exists()


def test_two_that_make_it_at_once_keep_one(planner):
    planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN))
    (request,) = CommunicationRequest.objects.all()

    def make():
        return make_document(request_id=request.id, now=clock.now())

    assert sorted(at_once(2, make)) == [False, True]
    assert (Attachment.objects.count(), RequestAttachment.objects.count()) == (1, 1)


def test_nothing_is_locked_while_it_is_set(planner, monkeypatch):
    planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN))
    inside = []
    real = documents.make_blueprint
    monkeypatch.setattr(
        documents, "make_blueprint", lambda facts: inside.append(connection.in_atomic_block) or real(facts)
    )
    assert make_documents(now=clock.now()) == 1
    assert inside == [False]


def test_one_that_cannot_be_made_keeps_its_mail_and_no_other(planner, smtp, monkeypatch):
    planner.post(PATH, a_blueprint(final_blueprint=MARKDOWN))
    planner.post(PATH, a_body())

    def fails(_facts):
        raise RuntimeError("typst")

    monkeypatch.setattr(documents, "make_blueprint", fails)
    dispatch_due()
    (mail,) = smtp.messages()
    assert mail.parsed()["Subject"].startswith("Welcome")
