"""Finding clients: by what staff have at hand, by pages, at a fixed cost."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clients.models import Plan
from clients.selectors.detail import get_client
from clients.selectors.directory import TOTAL_CAP, ClientOrder, list_clients
from clients.services.register import ContactDetails
from clients.tests import factories
from core.errors import Invalid, NotFound
from core.sealing import destroy_key

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def a_client(number, name="", *, now=NOW, plans=(), **contact):
    details = (
        ContactDetails(name=name, email=f"c{number}@clients.example")
        if not contact
        else ContactDetails(name, **contact)
    )
    return factories.a_client(f"client-{number}", details, now=now, plans=plans)


def found(search, **options):
    return [entry.row.reference for entry in list_clients(search=search, limit=50, **options).entries]


class TestSearch:
    @pytest.fixture(autouse=True)
    def people(self):
        a_client(
            1, "Priya Sharma", plans=["plan-jaipur"], email="priya@clients.example", phone="+919812345678"
        )
        a_client(2, "Lena Vogt", email="lena@clients.example")

    @pytest.mark.parametrize(
        "text",
        [
            "harm",
            "PRIYA",
            "client-1",
            "plan-jaipur",
            "Priya@Clients.example",
            " priya@clients.example ",
            "+91 98123 45678",
            "98123 45678",
        ],
    )
    def test_a_part_of_the_name_a_reference_or_a_whole_address(self, text):
        assert found(text) == ["client-1"]

    @pytest.mark.parametrize(
        "text", ["priya@", "clients.example", "9812", "plan-", "%", "_", "' OR 1=1 --", "\\"]
    )
    def test_parts_of_addresses_and_signs_find_nobody(self, text):
        assert found(text) == []

    def test_an_address_that_was_replaced_still_finds_its_client(self):
        a_client(2, email="new@clients.example")
        assert found("lena@clients.example") == found("new@clients.example") == ["client-2"]


class TestPages:
    @pytest.mark.parametrize("order", ClientOrder)
    def test_nothing_is_lost_or_repeated(self, order):
        for number in range(11):
            a_client(number, name=f"Name {number // 3}", now=NOW + timedelta(days=number // 4))
        seen, after, pages = [], None, 0
        while True:
            page = list_clients(order=order, after=after, limit=4)
            seen += [entry.row for entry in page.entries]
            pages += 1
            if page.next_cursor is None:
                break
            after = uuid.UUID(page.next_cursor)
        assert pages == 3
        assert len({row.id for row in seen}) == 11
        shown = [row.name for row in seen] if order is ClientOrder.NAME else [row.created_at for row in seen]
        assert shown == sorted(shown, reverse=order is ClientOrder.NEWEST)
        assert page.total == 11
        assert not page.total_is_capped

    def test_a_place_that_is_not_there(self):
        with pytest.raises(Invalid):
            list_clients(after=uuid.uuid4(), limit=4)

    def test_the_total_stops_counting(self, monkeypatch):
        monkeypatch.setattr("clients.selectors.directory.TOTAL_CAP", 2)
        for number in range(4):
            a_client(number)
        page = list_clients(limit=50)
        assert (page.total, page.total_is_capped, len(page.entries)) == (2, True, 4)
        assert TOTAL_CAP == 10_000

    @pytest.mark.parametrize("search", ["", "name"])
    def test_more_clients_cost_no_more_queries(self, search):
        def queries():
            with CaptureQueriesContext(connection) as captured:
                list_clients(search=search, limit=50)
            return len(captured)

        a_client(0, "Name", plans=["plan-0"])
        few = queries()
        for number in range(1, 9):
            a_client(number, f"Name {number}", plans=[f"plan-{number}", f"plan-{number}-b"])
        assert queries() == few == 4


class TestOneClient:
    def test_addresses_are_masked_and_the_event_is_told(self):
        client = a_client(1, "Priya", plans=["p-1"], email="priya@clients.example", phone="+919812345678")
        detail = get_client(client.id)
        assert [contact.masked for contact in detail.contacts] == ["p•••@clients.example", "+91••••••5678"]
        assert [(plan.row.reference, plan.event_type) for plan in detail.plans] == [("p-1", "wedding")]

    def test_a_destroyed_key_leaves_the_page_standing(self):
        client = a_client(1, plans=["p-1"])
        destroy_key(client.data_key_id, now=NOW)
        assert get_client(client.id).plans[0].event_type is None

    def test_four_queries(self, django_assert_num_queries):
        client = a_client(1, plans=["p-1", "p-2"])
        with django_assert_num_queries(4):
            get_client(client.id)
        assert Plan.objects.count() == 2

    def test_nobody(self):
        with pytest.raises(NotFound):
            get_client(uuid.uuid4())
