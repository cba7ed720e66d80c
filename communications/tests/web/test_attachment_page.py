"""Attachments on the page of a communication: listed, and downloaded by who may read contents."""

import base64

import pytest

from clients.models import Client
from communications.models import Communication, RequestAttachment
from communications.tests.api.bodies import a_body
from communications.tests.files_server import a_pdf
from communications.tests.web.conftest import somebody
from communications.tests.web.pages import assert_inert, words_of
from core import clock
from core.scopes import Scope
from core.sealing import destroy_key
from core.tests.api.callers import service

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ready")]


@pytest.fixture
def row():
    given = [{"filename": "Pläne für Priya.pdf", "content_base64": base64.b64encode(a_pdf()).decode()}]
    assert service(Scope.WRITE).post("/api/crm/communications", a_body(attachments=given)).status_code == 202
    return Communication.objects.get()


def page_of(row):
    return f"/communications/{row.id}/"


def file_of(row):
    return f"/communications/{row.id}/attachments/{RequestAttachment.objects.get().id}/"


def test_they_are_listed_and_lead_to_the_file(reader, row):
    page = reader.get(page_of(row))
    assert_inert(page)
    assert "Pläne für Priya.pdf" in words_of(page)
    assert file_of(row) in page.content.decode()


def test_the_file_is_for_keeping_and_never_a_page(reader, row):
    response = reader.get(file_of(row))
    assert (response.status_code, response.content) == (200, a_pdf())
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''Pl%C3%A4ne")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


def test_who_may_not_read_contents_sees_that_there_is_one(analyst, row):
    words = words_of(analyst.get(page_of(row)))
    assert "Pläne" not in words
    assert "A PDF" in words
    assert analyst.get(file_of(row)).status_code == 403


def test_contents_alone_are_not_enough(row):
    assert somebody("view_content").get(file_of(row)).status_code == 403


def test_a_file_of_another_message_is_not_found(reader, row):
    path = file_of(row)
    other = service(Scope.WRITE).post("/api/crm/communications", a_body()).json()
    assert reader.get(path.replace(str(row.id), other["communication_id"])).status_code == 404
    assert reader.get(f"/communications/{row.id}/attachments/999999/").status_code == 404


def test_after_erasure_there_is_nothing_to_download(reader, row):
    destroy_key(Client.objects.get(id=row.client_id).data_key_id, now=clock.now())
    assert reader.get(file_of(row)).status_code == 404
    assert "Pläne" not in words_of(reader.get(page_of(row)))


def test_a_blueprint_on_its_way_is_told(reader):
    context = {"client_name": "Priya", "final_blueprint": "# The plan\n\nText"}
    service(Scope.WRITE).post(
        "/api/crm/communications", a_body(message_type="blueprint_delivery", context=context)
    )
    row = Communication.objects.get()
    assert "The blueprint is being made into a PDF." in words_of(reader.get(page_of(row)))
