"""Attachments from the request to the mail (EML-11)."""

import base64
import json
from email import message_from_bytes, policy
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from clients.models import Client
from communications.models import Attachment, CommunicationRequest, RequestAttachment
from communications.rules.files import MAX_FILE_BYTES
from communications.services.dispatch import dispatch_due
from communications.tests.api.bodies import a_body
from communications.tests.files_server import INFECTED, a_jpeg, a_pdf, a_png, file_server, running_clamd
from communications.tests.steps import due_again
from core import clock, spool
from core.models import AttentionItem
from core.scopes import Scope
from core.sealing import destroy_key
from core.tests.api.callers import assert_problem, codes_of, service
from core.tests.outages import database_away

PATH = "/api/crm/communications"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("smtp", "templates")]


@pytest.fixture
def planner():
    return service(Scope.READ, Scope.WRITE)


@pytest.fixture(scope="module")
def running_server():
    with file_server() as running:
        yield running


@pytest.fixture
def server(running_server, settings):
    settings.CRM_ATTACHMENT_TRUSTED_ORIGINS = running_server.origin
    running_server.asked.clear()
    return running_server


def b64(content):
    return base64.b64encode(content).decode()


def attached(*attachments, **changes):
    return a_body(attachments=list(attachments), **changes)


def files_of(mail):
    return [
        (part.get_filename(), part.get_content_type(), part.get_content()) for part in mail.iter_attachments()
    ]


def the_mail(smtp):
    (caught,) = smtp.messages()
    return message_from_bytes(caught.raw, policy=policy.default)


def test_files_go_out_as_they_came(planner, smtp):
    body = attached(
        {"filename": "Die Gärten.pdf", "content_base64": b64(a_pdf())},
        {"content_base64": b64(a_png())},
        {"filename": "../hall.JPG", "content_base64": b64(a_jpeg())},
    )
    assert planner.post(PATH, body).status_code == 202
    assert dispatch_due() == 1
    assert files_of(the_mail(smtp)) == [
        ("Die Gärten.pdf", "application/pdf", a_pdf()),
        ("attachment.png", "image/png", a_png()),
        ("hall.jpg", "image/jpeg", a_jpeg()),
    ]


def test_the_detail_names_them(planner):
    answer = planner.post(PATH, attached({"filename": "a.pdf", "content_base64": b64(a_pdf())})).json()
    (listed,) = planner.get(f"{PATH}/{answer['communication_id']}").json()["attachments"]
    assert listed == {
        "id": RequestAttachment.objects.get().id,
        "filename": "a.pdf",
        "media_type": "application/pdf",
        "size_bytes": len(a_pdf()),
        "made_by_us": False,
    }


def test_nothing_in_the_database_can_be_read_and_erasure_ends_it(planner):
    answer = planner.post(
        PATH, attached({"filename": "Priya.pdf", "content_base64": b64(a_pdf(b"secret words"))})
    ).json()
    with connection.cursor() as sql:
        sql.execute(
            "SELECT row_to_json(a)::text || row_to_json(r)::text FROM crm_attachments a, crm_request_attachments r"
        )
        ((stored,),) = sql.fetchall()
    assert "Priya" not in stored
    assert b"secret words".hex() not in stored
    destroy_key(Client.objects.get().data_key_id, now=clock.now())
    (listed,) = planner.get(f"{PATH}/{answer['communication_id']}").json()["attachments"]
    assert listed["filename"] is None


def test_equal_files_are_stored_once_per_client(planner):
    given = {"content_base64": b64(a_pdf())}
    planner.post(PATH, attached(given, client_id="one", plan_id="p1"))
    planner.post(PATH, attached(given, {"content_base64": b64(a_png())}, client_id="one", plan_id="p2"))
    planner.post(PATH, attached(given, client_id="two", plan_id="p3"))
    assert (Attachment.objects.count(), RequestAttachment.objects.count()) == (3, 4)
    assert Attachment.objects.values("content_hash").distinct().count() == 3


def test_a_file_is_fetched_once_before_anything_is_locked(planner, server, smtp):
    url = server.offers("/brochure.pdf", a_pdf(b"brochure"))
    body = attached({"url": url})
    first = planner.post(PATH, body, **{"Idempotency-Key": "k1"})
    assert first.status_code == 202
    server.files.clear()
    again = planner.post(PATH, body, **{"Idempotency-Key": "k1"})
    # Its answer is there already, whatever became of the address.
    assert (again.status_code, again.json()["request_id"]) == (200, first.json()["request_id"])
    assert server.asked == ["/brochure.pdf"]
    assert dispatch_due() == 1
    assert files_of(the_mail(smtp)) == [("brochure.pdf", "application/pdf", a_pdf(b"brochure"))]


@pytest.mark.parametrize(
    ("attachments", "errors"),
    [
        pytest.param("x", {"attachments": "not_a_list"}, id="no list"),
        pytest.param([1], {"attachments.0": "not_an_object"}, id="no object"),
        pytest.param([{}], {"attachments.0": "one_source"}, id="nothing in it"),
        pytest.param(
            [{"url": "https://x.test/", "content_base64": "AA=="}], {"attachments.0": "one_source"}, id="two"
        ),
        pytest.param([{"content": "x"}], {"attachments.0.content": "unknown_field"}, id="misspelt"),
        pytest.param(
            [{"content_base64": "data:,x"}], {"attachments.0.content_base64": "invalid_base64"}, id="data url"
        ),
        pytest.param([{"content_base64": ""}], {"attachments.0.content_base64": "blank"}, id="empty"),
        pytest.param([{"content_base64": 5}], {"attachments.0.content_base64": "wrong_type"}, id="number"),
        pytest.param([{"part": "a"}], {"attachments.0.part": "no_such_part"}, id="part in JSON"),
        pytest.param([{"url": "http://127.0.0.1/"}], {"attachments.0.url": "not_https"}, id="http"),
        pytest.param(
            [{"url": "https://169.254.169.254/"}], {"attachments.0.url": "private_address"}, id="metadata"
        ),
        pytest.param(
            [{"filename": "a.pdf", "content_base64": b64(b"MZ" + b"\0" * 99)}],
            {"attachments.0.content_base64": "wrong_file_type"},
            id="a program",
        ),
        pytest.param(
            [{"content_base64": b64(a_pdf())}, {"filename": "other.pdf", "content_base64": b64(a_pdf())}],
            {"attachments.1.content_base64": "duplicate_file"},
            id="twice",
        ),
        pytest.param(
            [{"content_base64": b64(a_pdf(b"%d" % n))} for n in range(11)],
            {"attachments": "max_length"},
            id="11",
        ),
    ],
)
def test_what_is_refused_says_where_and_why_and_stores_nothing(planner, attachments, errors):
    body = assert_problem(planner.post(PATH, a_body(attachments=attachments)), 422, "invalid")
    assert codes_of(body) == errors
    assert not CommunicationRequest.objects.exists()
    assert not Attachment.objects.exists()
    assert AttentionItem.objects.get().kind == "request_refused"


def test_ten_megabytes_and_one_byte(planner):
    most = b"%PDF-1.7" + b"x" * (MAX_FILE_BYTES - 13) + b"%%EOF"
    over = assert_problem(planner.post(PATH, attached({"content_base64": b64(most + b"\n")})), 422, "invalid")
    assert codes_of(over) == {"attachments.0.content_base64": "file_too_large"}
    assert planner.post(PATH, attached({"content_base64": b64(most)})).status_code == 202
    assert Attachment.objects.get().size_bytes == MAX_FILE_BYTES


def test_another_file_makes_another_request_and_the_same_does_not(planner):
    def post(content, name):
        body["attachments"] = [{"filename": name, "content_base64": b64(content)}]
        return planner.post(PATH, body).json()

    body = a_body(message_type="custom", context={"client_name": "Priya", "message": "Hi"})
    first = post(a_pdf(), "a.pdf")
    assert post(a_pdf(), "renamed.pdf")["request_id"] == first["request_id"]
    assert post(a_pdf(b"changed"), "a.pdf")["duplicate"] is False


def test_an_idempotency_key_with_another_file_is_refused(planner):
    body = attached({"content_base64": b64(a_pdf())})
    key = {"Idempotency-Key": "k"}
    assert planner.post(PATH, body, **key).status_code == 202
    assert planner.post(PATH, body, **key).status_code == 200
    body["attachments"] = [{"content_base64": b64(a_pdf(b"other"))}]
    problem = assert_problem(planner.post(PATH, body, **key), 422, "invalid")
    assert codes_of(problem) == {"Idempotency-Key": "idempotency_key_reused"}


def test_requests_without_files_ask_the_database_nothing_more(planner):
    planner.post(PATH, a_body())
    with CaptureQueriesContext(connection) as asked:
        planner.post(PATH, a_body())
        dispatch_due()
    assert not [query for query in asked.captured_queries if "attachments" in query["sql"]]


# -- multipart ---------------------------------------------------------------------------------------------------------


def multipart(body, *parts, name="request"):
    boundary = "b0undary"
    said = [(f'name="{name}"', "application/json", json.dumps(body).encode())]
    said += [
        (f'name="{field}"; filename="{filename}"', "application/pdf", content)
        for field, filename, content in parts
    ]
    raw = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\nContent-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for head, kind, content in said
    )
    return {
        "raw": raw + f"--{boundary}--\r\n".encode(),
        "content_type": f"multipart/form-data; boundary={boundary}",
    }


def test_files_in_parts(planner, smtp):
    sent = multipart(a_body(), ("a", "one.pdf", a_pdf(b"1")), ("b", "../two.pdf", a_pdf(b"2")))
    assert planner.post(PATH, **sent).status_code == 202
    assert dispatch_due() == 1
    assert [name for name, _, _ in files_of(the_mail(smtp))] == ["one.pdf", "two.pdf"]


def test_many_requests_share_a_part(planner):
    items = [attached({"part": "a", "filename": f"for {n}.pdf"}) for n in range(3)]
    answer = planner.post(f"{PATH}/bulk", **multipart(items, ("a", "x.pdf", a_pdf()), name="requests")).json()
    assert answer["accepted"] == 3
    assert Attachment.objects.count() == 3


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(
            {"raw": b"x", "content_type": "multipart/form-data; boundary=b"},
            "part_missing",
            id="no boundary in it",
        ),
        pytest.param(
            {"raw": b"x", "content_type": "multipart/form-data"}, "invalid_multipart", id="no boundary"
        ),
        pytest.param(multipart({}, name="other"), "part_missing", id="no request"),
        pytest.param(multipart({}, ("a", "a", b"1"), ("a", "b", b"2")), "part_repeated", id="one name twice"),
    ],
)
def test_multipart_bodies_that_cannot_be_read(planner, sent, code):
    assert_problem(planner.post(PATH, **sent), 400, code)


def test_a_part_that_no_request_refers_to(planner):
    sent = multipart([a_body()], ("a", "x.pdf", a_pdf()), name="requests")
    assert_problem(planner.post(f"{PATH}/bulk", **sent), 400, "part_unused")


# -- bulk --------------------------------------------------------------------------------------------------------------


def test_in_bulk_each_is_taken_or_refused_for_itself(planner, server):
    url = server.offers("/all.pdf", a_pdf(b"all"))
    items = [
        attached({"url": url}),
        attached({"url": url}),
        attached({"url": f"{server.origin}/nothing"}),
        a_body(),
    ]
    answer = planner.post(f"{PATH}/bulk", items).json()
    assert [each["status"] for each in answer["results"]] == [202, 202, 422, 202]
    (problem,) = answer["results"][2]["problem"]["errors"]
    assert (problem["field"], problem["code"]) == ("attachments.0.url", "fetch_failed")
    assert sorted(server.asked) == ["/all.pdf", "/nothing"]


# -- the scanner -------------------------------------------------------------------------------------------------------


@pytest.fixture
def clamd(settings):
    with running_clamd() as running:
        settings.CRM_CLAMD = running.address
        yield running


def test_files_are_scanned_where_a_scanner_is_set(planner, clamd):
    clean = attached({"content_base64": b64(a_pdf(b"x" * 200_000))})
    assert planner.post(PATH, clean).status_code == 202
    assert clamd.scanned == [a_pdf(b"x" * 200_000)]
    problem = assert_problem(
        planner.post(PATH, attached({"content_base64": b64(a_pdf(INFECTED))})), 422, "invalid"
    )
    assert codes_of(problem) == {"attachments.0.content_base64": "infected_file"}


@pytest.mark.parametrize("mode", ["away", "full"])
def test_while_the_scanner_cannot_say_nothing_is_taken(planner, clamd, mode):
    clamd.mode = mode
    response = planner.post(PATH, attached({"content_base64": b64(a_pdf())}))
    assert_problem(response, 503, "unavailable")
    assert response["Retry-After"]
    assert not CommunicationRequest.objects.exists()
    assert planner.post(PATH, a_body()).status_code == 202


# -- when parts fail ---------------------------------------------------------------------------------------------------


def test_files_of_a_spooled_request_are_those_that_were_fetched(planner, server, smtp, settings):
    settings.CRM_SPOOL_NAME = f"test-{uuid4()}"
    settings.CRM_ALLOW_DEMO_CLOCK = False
    body = attached(
        {"url": server.offers("/spooled.pdf", a_pdf(b"spooled"))}, {"content_base64": b64(a_png())}
    )
    key = {"Idempotency-Key": "spooled"}
    with database_away():
        answer = planner.post(PATH, body, **key)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    server.files.clear()
    assert spool.drain() == 1
    # The same call finds what was stored.
    assert planner.post(PATH, body, **key).json()["request_id"] == answer.json()["request_id"]
    assert dispatch_due() == 1
    assert [content for _, _, content in files_of(the_mail(smtp))] == [a_pdf(b"spooled"), a_png()]


def test_a_mail_never_goes_out_without_its_file(planner, smtp):
    planner.post(PATH, attached({"content_base64": b64(a_pdf())}))
    other = planner.post(PATH, a_body())
    with transaction.atomic(), connection.cursor() as sql:
        sql.execute("UPDATE crm_attachments SET content = set_byte(content, 40, 255 - get_byte(content, 40))")
    dispatch_due()
    (mail,) = smtp.messages()
    assert other.json()["metadata"]["subject"] == mail.parsed()["Subject"]


def test_a_retry_carries_the_same_bytes(planner, smtp):
    answer = planner.post(PATH, attached({"filename": "a.pdf", "content_base64": b64(a_pdf())})).json()
    smtp.behave("refuse", code=451, text="4.3.0 try later")
    dispatch_due()
    smtp.behave("accept")
    row = CommunicationRequest.objects.get(id=answer["request_id"]).communications.get()
    due_again(row)
    assert dispatch_due() == 1
    assert files_of(the_mail(smtp)) == [("a.pdf", "application/pdf", a_pdf())]


def test_what_is_sent_again_carries_the_files_too(planner, smtp):
    answer = planner.post(PATH, attached({"filename": "a.pdf", "content_base64": b64(a_pdf())})).json()
    dispatch_due()
    smtp.clear()
    again = planner.post(f"{PATH}/{answer['communication_id']}/resend")
    assert again.status_code in {200, 202}, again.content
    dispatch_due()
    assert files_of(the_mail(smtp)) == [("a.pdf", "application/pdf", a_pdf())]
    assert Attachment.objects.count() == 1


def test_logs_hold_neither_names_nor_addresses_of_files(planner, server, log):
    planner.post(PATH, attached({"filename": "Priya.pdf", "url": f"{server.origin}/nothing?token=abc"}))
    written = log.stream.getvalue()
    assert '"error_code": "fetch_failed"' in written
    assert "Priya" not in written
    assert "nothing" not in written
