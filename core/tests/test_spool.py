"""The spool on a real Valkey: in order, once, sealed, and nothing that fails stands in the way (REL-5, REL-6)."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction
from django.utils import timezone

from core import spool, spool_stream
from core.errors import Unavailable
from core.models import AttentionItem, SpooledEntry
from core.spool import Entry, Once
from core.tests.outages import database_away
from core.tests.races import Call, Gate

KIND = "test"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_spool(settings):
    settings.CRM_SPOOL_NAME = f"test-{uuid4()}"


class Storing:
    """A handler that remembers what it was given, and fails or refuses where it is told to."""

    def __init__(self):
        self.stored = []
        self.calls = []
        self.fails_at = {}
        self.refuses = set()

    def __call__(self, entries, now):
        for entry in entries:
            if entry.body in self.fails_at:
                raise self.fails_at[entry.body]
        self.stored += entries
        self.calls.append(len(entries))
        return [entry.body not in self.refuses for entry in entries]

    @property
    def bodies(self):
        return [entry.body for entry in self.stored]


@pytest.fixture
def storing(monkeypatch):
    handler = Storing()
    monkeypatch.setitem(spool._handlers, KIND, handler)
    return handler


def an_entry(body="one", **changes):
    values = {
        "id": uuid4(),
        "kind": KIND,
        "caller": "service:planner",
        "received_at": datetime.now(UTC),
        "body": body,
    }
    return Entry(**(values | changes))


def add(body="one", *, once=None, **changes):
    return spool.add(entry=an_entry(body, **changes), once=once)


def counts():
    return spool.count_waiting(), spool.count_parked()


def test_entries_are_stored_in_their_order_as_they_came(storing):
    entries = [an_entry(f"{number} Zoë \ud800") for number in range(5)]
    for entry in entries:
        assert spool.add(entry=entry) == spool.Added(entry.id, new=True)
    assert spool.drain() == 5
    assert storing.stored == entries
    assert counts() == (0, 0)
    rows = SpooledEntry.objects.values_list("id", "kind", "caller", "received_at")
    assert set(rows) == {(entry.id, KIND, entry.caller, entry.received_at) for entry in entries}


def test_what_is_in_the_server_is_sealed():
    add({"email": "priya@example.com"}, once=Once("priya-wedding"))
    (place,) = spool._stream().list_waiting(10)
    assert set(place.fields) == {"id", "kind", "caller", "received_at", "once", "sealed"}
    assert b"priya" not in b" ".join(place.fields.values())


def test_one_name_adds_one_entry(storing):
    first = add("one", once=Once("a name", "fingerprint"))
    again = add("one", once=Once("a name", "fingerprint"))
    other = add("two", once=Once("a name", "another"))
    theirs = add("three", once=Once("a name", "fingerprint"), caller="service:other")
    assert (again.id, again.new, again.differs) == (first.id, False, False)
    assert (other.id, other.new, other.differs) == (first.id, False, True)
    assert theirs.new
    spool.drain()
    assert storing.bodies == ["one", "three"]


def test_an_entry_added_again_after_a_lost_answer_is_one_entry():
    entry = an_entry()
    assert [spool.add(entry=entry).new for _ in range(3)] == [True, False, False]
    assert counts() == (1, 0)


def test_a_name_is_free_again_once_its_entry_was_refused(storing):
    storing.refuses.add("one")
    add("one", once=Once("a name"))
    assert spool.drain() == 1
    assert counts() == (0, 0)
    assert add("one", once=Once("a name")).new


def test_many_are_added_in_their_order_and_a_name_counts_among_them(storing):
    names = [None, Once("a name", "x"), None, Once("a name", "x"), Once("a name", "y")]
    entries = [an_entry(number) for number in range(5)]
    added = spool.add_many(list(zip(entries, names, strict=True)))
    assert [(each.new, each.differs) for each in added] == [
        (True, False),
        (True, False),
        (True, False),
        (False, False),
        (False, True),
    ]
    assert added[3].id == added[4].id == entries[1].id
    spool.drain()
    assert storing.bodies == [0, 1, 2]


def test_many_that_do_not_fit_are_none(monkeypatch):
    """Nothing of a call that was told 503 is stored behind its caller's back."""
    monkeypatch.setattr(spool_stream, "MAX_WAITING", 3)
    add()
    with pytest.raises(Unavailable):
        spool.add_many([(an_entry(number), None) for number in range(3)])
    assert counts() == (1, 0)
    assert len(spool.add_many([(an_entry(number), None) for number in range(2)])) == 2


def test_a_full_spool_takes_nothing_more(monkeypatch):
    monkeypatch.setattr(spool_stream, "MAX_WAITING", 1)
    add()
    with pytest.raises(Unavailable):
        add()
    assert counts() == (1, 0)


def test_an_entry_that_was_stored_and_not_removed_is_stored_once(storing):
    """As after a worker that was killed between its commit and the removal."""
    entry = an_entry()
    spool.add(entry=entry)
    with transaction.atomic():
        assert spool._take([entry]) == [entry]
    assert spool.drain() == 1
    assert (storing.stored, counts()) == ([], (0, 0))


def test_one_that_fails_waits_then_is_parked_and_lets_the_others_by(storing):
    storing.fails_at["bad"] = RuntimeError()
    for body in ("one", "bad", "two"):
        add(body)
    assert [spool.drain() for _ in range(2)] == [1, 0]
    assert (storing.bodies, counts()) == (["one"], (2, 0))
    assert spool.drain() == 2
    assert (storing.bodies, counts()) == (["one", "two"], (0, 1))
    item = AttentionItem.objects.get()
    assert (item.kind, item.details, item.resolved_at) == ("spool_parked", {"kind": KIND}, None)
    storing.fails_at.clear()
    call_command("spool", "replay", item.dedupe_key, stdout=StringIO())
    assert spool.drain() == 1
    assert (storing.bodies, counts()) == (["one", "two", "bad"], (0, 0))
    item.refresh_from_db()
    assert item.resolved_by == "system:settled"


def test_many_are_stored_by_few_transactions(storing, monkeypatch):
    """REL-5: thousands that wait hold sending back for seconds."""
    monkeypatch.setattr(spool, "BATCH", 4)
    for number in range(10):
        add(number)
    assert spool.drain() == 10
    assert (storing.bodies, storing.calls) == (list(range(10)), [4, 4, 2])
    assert SpooledEntry.objects.count() == 10


def test_kinds_are_stored_apart_and_in_their_order(storing, monkeypatch):
    monkeypatch.setitem(spool._handlers, "other", storing)
    for number, kind in enumerate((KIND, KIND, "other", KIND)):
        add(number, kind=kind)
    assert spool.drain() == 4
    assert (storing.bodies, storing.calls) == ([0, 1, 2, 3], [2, 1, 1])


def test_those_behind_one_that_fails_keep_their_tries_and_their_order(storing, monkeypatch):
    for body in ("one", "bad", "two", "three"):
        add(body)
    storing.fails_at["bad"] = RuntimeError()
    spool.drain()
    assert spool._stream().tries_of(spool._stream().list_waiting(9)) == [1, 0, 0]
    spool.drain()
    spool.drain()
    assert (storing.bodies, storing.calls) == (["one", "two", "three"], [1, 2])  # the last two together again
    assert counts() == (0, 1)


def test_after_a_worker_that_died_they_are_tried_alone(storing):
    """Whichever of them took it down does so alone the next time."""
    for number in range(3):
        add(number)
    stream = spool._stream()
    stream.count_tries(stream.list_waiting(2))
    assert spool.drain() == 3
    assert (storing.bodies, storing.calls) == ([0, 1, 2], [1, 1, 1])


def test_one_that_waits_twice_is_stored_once(storing):
    entry = an_entry()
    for _ in range(2):
        spool.add(entry=entry)
        spool._stream().forget([spool._text(spool._stream().list_waiting(1)[0], "once")])
    assert counts() == (2, 0)
    assert spool.drain() == 2
    assert storing.stored == [entry]


def test_a_failure_leaves_nothing_behind_it(storing):
    """What a handler wrote before it failed is rolled back with the entry's row."""
    storing.fails_at["one"] = ValueError()
    add()
    spool.drain()
    assert not SpooledEntry.objects.exists()


def test_what_the_database_refuses_counts_as_a_failure(storing):
    storing.fails_at["one"] = OperationalError("deadlock detected")
    add()
    assert [spool.drain() for _ in range(3)] == [0, 0, 1]
    assert counts() == (0, 1)


def test_an_outage_costs_an_entry_none_of_its_tries(storing):
    add()
    with database_away():
        assert [spool.drain() for _ in range(5)] == [0] * 5
    assert counts() == (1, 0)
    assert spool.drain() == 1


def test_one_that_takes_its_worker_down_each_time_is_parked_in_the_end(storing):
    add()
    stream = spool._stream()
    for _ in range(10):
        stream.count_tries(stream.list_waiting(1))
    assert spool.drain() == 1
    assert (storing.stored, counts()) == ([], (0, 1))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        pytest.param({"kind": "nobody_knows"}, "", id="a kind that this version does not know"),
        pytest.param({}, Fernet.generate_key().decode(), id="a key that is gone"),
    ],
)
def test_what_cannot_be_read_is_parked(storing, settings, changes, key):
    add(**changes)
    settings.FIELD_ENCRYPTION_KEY = [key] if key else settings.FIELD_ENCRYPTION_KEY
    assert [spool.drain() for _ in range(3)] == [0, 0, 1]
    assert counts() == (0, 1)


def test_a_new_key_in_front_of_the_old_one_opens_what_waits(storing, settings):
    add()
    settings.FIELD_ENCRYPTION_KEY = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEY]
    assert spool.drain() == 1
    assert storing.bodies == ["one"]


def test_two_workers_store_each_entry_once_and_in_order(monkeypatch):
    inside, go_on, seen = Gate(), Gate(), []

    def slowly(entries, now):
        inside.open()
        go_on.wait()
        seen.extend(entry.body for entry in entries)
        return [True] * len(entries)

    monkeypatch.setitem(spool._handlers, KIND, slowly)
    monkeypatch.setattr(spool, "BATCH", 3)
    for number in range(20):
        add(number)
    workers = [Call(spool.drain) for _ in range(2)]
    inside.wait()
    go_on.open()
    for worker in workers:
        worker.finish()
    spool.drain()
    assert seen == list(range(20))
    assert counts() == (0, 0)


def test_a_run_ends_after_its_time_and_the_rest_waits(storing):
    add("one")
    assert spool.drain(seconds=-1) == 0
    assert counts() == (1, 0)


def test_nothing_may_be_claimed_while_entries_wait(storing):
    assert not spool.holds_back()
    add()
    assert spool.holds_back()
    spool.drain()
    assert not spool.holds_back()


def test_parked_entries_hold_nothing_back(storing):
    storing.fails_at["one"] = RuntimeError()
    add()
    for _ in range(3):
        spool.drain()
    assert counts() == (0, 1)
    assert not spool.holds_back()


class TestWithoutAServer:
    @pytest.fixture(autouse=True)
    def away(self, settings):
        settings.BROKER_URL = "redis+socket:///nowhere.sock"

    def test_nothing_is_taken(self):
        with pytest.raises(Unavailable):
            add()

    def test_a_process_that_never_saw_the_spool_claims_nothing(self):
        assert spool.holds_back()

    def test_draining_ends_quietly(self):
        assert spool.drain() == 0

    def test_the_command_says_what_to_do(self):
        with pytest.raises(CommandError, match="Start it"):
            call_command("spool", "list")


@pytest.mark.parametrize("entries", [0, 1])
def test_a_broker_that_goes_away_took_nothing_more_with_it(storing, entries):
    """What was seen last holds: without entries messages go on, with entries they wait."""
    for _ in range(entries):
        add()
    assert spool.holds_back() is bool(entries)
    pool = spool._stream()._server.connection_pool
    pool.connection_kwargs |= {"path": "/nowhere.sock"} if "path" in pool.connection_kwargs else {"port": 1}
    pool.disconnect()
    pool.reset()
    with pytest.raises(spool.StreamError):
        spool.count_waiting()
    assert spool.holds_back() is bool(entries)


class TestABrokerWithoutStreams:
    @pytest.fixture(autouse=True)
    def rabbit(self, settings):
        settings.BROKER_URL = "amqp://nowhere//"

    def test_there_is_no_spool_and_nothing_is_held_back(self):
        assert not spool.is_configured()
        assert not spool.holds_back()
        assert spool.drain() == 0

    def test_the_command_says_so(self):
        with pytest.raises(CommandError, match="no streams"):
            call_command("spool", "list")


def test_the_command_lists_without_contents_and_asks_what_to_replay():
    added = add({"email": "priya@example.com"})
    out = StringIO()
    call_command("spool", "list", stdout=out)
    assert f"waits   {added.id}  {KIND}  service:planner" in out.getvalue()
    assert "1 wait, 0 are parked." in out.getvalue()
    assert "priya" not in out.getvalue()
    with pytest.raises(CommandError, match="--all"):
        call_command("spool", "replay")


def test_what_is_older_than_thirty_days_is_forgotten(storing):
    storing.fails_at["one"] = RuntimeError()
    add()
    for _ in range(3):
        spool.drain()
    old, young = (uuid4() for _ in range(2))
    for identifier, days in ((old, 31), (young, 29)):
        settled_at = timezone.now() - timedelta(days=days)
        SpooledEntry.objects.create(
            id=identifier, kind=KIND, caller="x", received_at=settled_at, settled_at=settled_at
        )
    spool.forget_old()
    assert list(SpooledEntry.objects.values_list("id", flat=True)) == [young]
    assert counts() == (0, 1)
    assert spool._stream().forget_parked(older_than=timedelta(seconds=-60)) == 1
