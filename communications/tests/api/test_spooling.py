"""POST communications while the database is away, and what becomes of it when it is back (REL-5, REL-6)."""

import time
from uuid import uuid4

import pytest
from django.db import OperationalError

from communications.choices import Status
from communications.models import Communication, CommunicationRequest, IdempotencyKey
from communications.selectors import detail
from communications.services import idempotency
from communications.services import submit as submitting
from communications.services.commands import Idempotency
from communications.services.dispatch import dispatch_due
from communications.services.submit import submit
from communications.tests.api.bodies import a_body
from communications.tests.factories import a_command
from core import clock, spool
from core.models import AttentionItem, SpooledEntry
from core.tests.api.callers import assert_problem, codes_of, service
from core.tests.outages import database_away
from core.tests.races import Call, Gate

PATH = "/api/crm/communications"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ready")]


@pytest.fixture(autouse=True)
def own_spool(settings):
    settings.CRM_SPOOL_NAME = f"test-{uuid4()}"
    settings.CRM_ALLOW_DEMO_CLOCK = False


def post_without_database(planner, body, **headers):
    with database_away():
        return planner.post(f"{PATH}?wait=10", body, **headers)


def accepted(response):
    answer = response.json()
    assert (response.status_code, answer["status"], answer["duplicate"]) == (202, "accepted", False)
    return answer["request_id"]


def test_a_request_is_accepted_and_stored_under_the_id_that_was_told(planner, smtp):
    body = a_body()
    response = post_without_database(planner, body)
    answer = response.json()
    identifier = accepted(response)
    assert not CommunicationRequest.objects.exists()
    assert spool.drain() == 1
    row = Communication.objects.get()
    assert str(row.request_id) == identifier
    assert row.request.created_by == "service:planning-agent"
    assert SpooledEntry.objects.get(id=identifier).received_at <= row.created_at
    # The answer has the form of every other one.
    assert set(answer) == set(planner.post(PATH, body).json())
    assert dispatch_due() == 1
    row.refresh_from_db()
    assert (row.status, len(smtp.messages())) == (Status.SENT, 1)


def test_nothing_is_claimed_while_requests_wait_to_be_stored(planner, smtp):
    due = planner.post(PATH, a_body()).json()
    accepted(post_without_database(planner, a_body()))
    assert dispatch_due() == 0
    assert Communication.objects.get().status == due["status"] == "scheduled"
    spool.drain()
    assert dispatch_due() == 2
    assert len(smtp.messages()) == 2


def test_waiting_callers_are_answered_at_once_and_soon(planner):
    """The bound leaves room for a busy machine; `?wait` alone would take longer."""
    started = time.monotonic()
    accepted(post_without_database(planner, a_body()))
    assert time.monotonic() - started < 8


def test_one_key_is_one_request_in_the_outage_and_after_it(planner):
    body, other = a_body(), a_body()
    identifier = accepted(post_without_database(planner, body, **{"Idempotency-Key": "one"}))
    again = post_without_database(planner, body, **{"Idempotency-Key": "one"})
    assert (again.status_code, again.json()["request_id"], again.json()["duplicate"]) == (
        200,
        identifier,
        True,
    )
    reused = post_without_database(planner, other, **{"Idempotency-Key": "one"})
    assert codes_of(assert_problem(reused, 422, "invalid")) == {"Idempotency-Key": "idempotency_key_reused"}
    assert spool.drain() == 1
    after = planner.post(PATH, body, **{"Idempotency-Key": "one"})
    assert (after.status_code, after.json()["request_id"]) == (200, identifier)
    reused = planner.post(PATH, other, **{"Idempotency-Key": "one"})
    assert codes_of(assert_problem(reused, 422, "invalid")) == {"Idempotency-Key": "idempotency_key_reused"}
    assert CommunicationRequest.objects.count() == 1


def test_two_callers_with_one_key_have_two_requests(planner):
    for caller in (planner, service(name="other")):
        accepted(post_without_database(caller, a_body(), **{"Idempotency-Key": "one"}))
    assert spool.drain() == 2
    assert CommunicationRequest.objects.count() == 2


def test_the_same_content_twice_is_one_message(planner):
    """Without a key each call is told an id of its own; the business key finds the repeat when it is stored."""
    body = a_body()
    first = accepted(post_without_database(planner, body))
    accepted(post_without_database(planner, body))
    assert spool.drain() == 2
    assert str(CommunicationRequest.objects.get().id) == first
    after = planner.post(PATH, body).json()
    assert (after["duplicate"], after["request_id"]) == (True, first)


def test_a_key_that_was_used_before_the_outage_finds_its_request(planner):
    body = a_body()
    before = planner.post(PATH, body, **{"Idempotency-Key": "one"}).json()
    accepted(post_without_database(planner, body, **{"Idempotency-Key": "one"}))
    assert spool.drain() == 1
    assert str(CommunicationRequest.objects.get().id) == before["request_id"]


def test_a_database_that_goes_away_after_the_commit_makes_no_second_request(planner, monkeypatch):
    """The answer cannot be made any more; what was spooled finds its request stored."""

    def read(_request_id):
        with database_away():
            return detail.get_request_outcome(_request_id)

    monkeypatch.setattr("communications.api.views.get_request_outcome", read)
    identifier = accepted(planner.post(f"{PATH}?wait=0.1", a_body()))
    assert str(CommunicationRequest.objects.get().id) == identifier
    assert spool.drain() == 1
    assert CommunicationRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"message_type": "song"}, "message_type", id="form"),
        pytest.param({"client_id": "unknown"}, "client_id", id="reference"),
        pytest.param({"client": {"email": "nobody"}}, "client.email", id="address"),
        pytest.param({"context": {"event_date": "tomorrow"}}, "context.event_date", id="context"),
    ],
)
def test_what_is_wrong_without_asking_the_database_is_refused_at_once(planner, changes, field):
    response = post_without_database(planner, a_body(**changes))
    assert field in codes_of(assert_problem(response, 422, "invalid"))
    assert spool.count_waiting() == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param(
            {"context": {"event_type": "wedding"}}, "context.client_name:missing_variable", id="a variable"
        ),
        pytest.param({"plan_id": "plan-of-another"}, "plan_of_another_client", id="a plan of another client"),
    ],
)
def test_what_turns_out_invalid_becomes_an_item_for_staff(planner, changes, code):
    planner.post(PATH, a_body(plan_id="plan-of-another"))
    body = a_body(**changes)
    identifier = accepted(post_without_database(planner, body, **{"Idempotency-Key": "one"}))
    assert spool.drain() == 1
    item = AttentionItem.objects.get(kind="accepted_then_refused")
    assert (item.dedupe_key, item.target) == (identifier, f"plan:{body['plan_id']}")
    assert item.details == {"message_type": "welcome", "codes": [code]}
    assert CommunicationRequest.objects.count() == 1
    # Its key is free: the caller hears the same when it repeats the request, with the database or without.
    assert planner.post(PATH, body, **{"Idempotency-Key": "one"}).status_code in {409, 422}
    accepted(post_without_database(planner, body, **{"Idempotency-Key": "one"}))


def test_a_key_that_its_caller_is_using_at_that_moment_is_tried_again(planner):
    """409 for a caller; an entry of the spool waits for its turn."""
    body = a_body()
    accepted(post_without_database(planner, body, **{"Idempotency-Key": "one"}))
    taken, go_on = Gate(), Gate()

    def use_the_key():
        from django.db import transaction

        with transaction.atomic():
            key = Idempotency(key="one", body=b"")
            idempotency.find_firsts(keys=[key], caller="service:planning-agent", now=clock.now())
            taken.open()
            go_on.wait()

    user = Call(use_the_key)
    taken.wait()
    assert spool.drain() == 0
    go_on.open()
    user.finish()
    assert spool.drain() == 1
    assert IdempotencyKey.objects.count() == 1


def test_both_away_is_503_with_a_time_to_come_back(planner, settings):
    settings.BROKER_URL = "redis+socket:///nowhere.sock"
    response = post_without_database(planner, a_body())
    assert_problem(response, 503, "unavailable")
    assert int(response["Retry-After"]) > 0


def test_a_broker_without_streams_cannot_stand_in(planner, settings):
    settings.BROKER_URL = "amqp://nowhere//"
    response = post_without_database(planner, a_body())
    assert_problem(response, 503, "database_unavailable")
    assert int(response["Retry-After"]) > 0


def test_the_cache_may_be_away_too(planner, settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "unix:///nowhere.sock"}}
    accepted(post_without_database(planner, a_body()))


def test_a_request_takes_the_id_that_it_is_given():
    identifier = uuid4()
    submitted = submit(command=a_command(), caller="service:test", now=clock.now(), request_id=identifier)
    assert (submitted.request_id, CommunicationRequest.objects.get().id) == (identifier, identifier)


class TestManyAtOnce:
    """POST communications/bulk without the database: each request as if it had come alone."""

    def send(self, planner, *items):
        with database_away():
            response = planner.post(f"{PATH}/bulk", list(items))
        assert response.status_code == 200, response.content
        return response.json()

    def test_each_is_accepted_and_stored_under_the_id_that_was_told(self, planner, smtp):
        items = [a_body() for _ in range(3)]
        answer = self.send(planner, *items)
        assert (answer["accepted"], answer["duplicates"], answer["refused"]) == (3, 0, 0)
        told = [result["request_id"] for result in answer["results"]]
        assert all(
            (result["status"], result["duplicate"], result["communications"]) == (202, False, [])
            for result in answer["results"]
        )
        assert not CommunicationRequest.objects.exists()
        assert spool.drain() == 3
        stored = CommunicationRequest.objects.in_bulk(told)
        assert {str(key) for key in stored} == set(told)
        by_plan = {str(row.id): row.plan.reference for row in stored.values()}
        assert [by_plan[identifier] for identifier in told] == [item["plan_id"] for item in items]
        assert dispatch_due() == 3
        assert len(smtp.messages()) == 3

    def test_what_is_wrong_is_refused_beside_what_is_not(self, planner):
        answer = self.send(
            planner,
            a_body(message_type="song"),
            a_body(),
            a_body(client={"email": "nobody"}),
            a_body(context={"event_date": "tomorrow"}),
        )
        assert [result["status"] for result in answer["results"]] == [422, 202, 422, 422]
        assert spool.count_waiting() == 1

    def test_keys_of_items_hold_and_are_the_same_as_the_header(self, planner):
        body = a_body()
        first = self.send(planner, {**body, "idempotency_key": "one"}, {**body, "idempotency_key": "one"})
        assert [result["status"] for result in first["results"]] == [202, 200]
        told = first["results"][0]["request_id"]
        assert first["results"][1]["request_id"] == told
        alone = post_without_database(planner, body, **{"Idempotency-Key": "one"}).json()
        assert (alone["request_id"], alone["duplicate"]) == (told, True)
        other = self.send(planner, {**a_body(), "idempotency_key": "one"})
        assert codes_of_item(other["results"][0]) == {"idempotency_key"}
        assert spool.drain() == 1
        assert planner.post(PATH, body, **{"Idempotency-Key": "one"}).json()["request_id"] == told

    def test_those_stored_before_it_went_away_are_not_stored_again(self, planner, monkeypatch):
        """It goes away in the middle: the first turn is committed, nobody was told."""
        body = a_body()
        second = a_body(client_id=body["client_id"], plan_id=body["plan_id"], message_type="custom")
        second["context"] = {"message": "See you on Monday."}
        taken = []
        take = submitting._take

        def until_it_goes(turn, caller, now):
            if taken:
                raise OperationalError
            taken.append(turn)
            return take(turn, caller, now)

        monkeypatch.setattr(submitting, "_take", until_it_goes)
        answer = planner.post(f"{PATH}/bulk", [body, second]).json()
        monkeypatch.undo()
        assert [result["status"] for result in answer["results"]] == [202, 202]
        assert CommunicationRequest.objects.count() == 1
        assert spool.drain() == 2
        told = {result["request_id"] for result in answer["results"]}
        assert {str(key) for key in CommunicationRequest.objects.values_list("id", flat=True)} == told

    def test_without_the_spool_none_is_accepted(self, planner, settings):
        settings.BROKER_URL = "redis+socket:///nowhere.sock"
        with database_away():
            response = planner.post(f"{PATH}/bulk", [a_body(), a_body()])
        assert_problem(response, 503, "unavailable")


def codes_of_item(result):
    return {problem["field"].lower().replace("-", "_") for problem in result["problem"]["errors"]}
