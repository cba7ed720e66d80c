"""What became of every message that was accepted, by two witnesses: the provider's record and our database."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from bench.faults.callers import PREFIX
from bench.faults.wishes import Wishes

_SENT = {"sent", "delivered", "opened", "clicked", "responded"}


@dataclass
class Tally:
    """Every accepted message is in exactly one of once, twice, lost, withheld and in_doubt.

    withheld: kept back because its client wanted it. told_wrong: arrived once, and our database says it did not.
    """

    once: int = 0
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    withheld: int = 0
    told_wrong: list[str] = field(default_factory=list)
    in_doubt: list[dict[str, Any]] = field(default_factory=list)
    against_will: list[str] = field(default_factory=list)
    after_the_wish: int = 0
    latest_after_the_wish_seconds: float = 0.0


def tally(accepted: Iterable[int], taken: list[dict[str, Any]], wishes: Wishes) -> Tally:
    result = Tally()
    rows = _rows()
    received: Counter[int] = Counter()
    answers: dict[int, list[str]] = defaultdict(list)
    for mail in taken:
        number = _number(mail["to"])
        received[number] += 1
        answers[number].append(mail["answer"])
    for number in sorted(set(accepted) | received.keys()):
        _count(result, number, rows.get(number, []), received[number], answers[number], wishes)
    _compare_with_wishes(result, taken, wishes)
    return result


def _count(
    result: Tally,
    number: int,
    rows: list[dict[str, Any]],
    received: int,
    answers: list[str],
    wishes: Wishes,
) -> None:
    statuses = [row["status"] for row in rows]
    label = f"{PREFIX}{number}: received {received} {answers}, {statuses or 'not stored'}"
    wished = number in wishes.committed_at or number in wishes.unclear
    if received > 1 or len(rows) > 1:
        result.twice.append(label)
    elif statuses == ["in_doubt"]:
        result.in_doubt.append({**rows[0], "received": received, "answers": answers})
    elif received == 1:
        result.once += 1
        if not statuses or statuses[0] not in _SENT:
            result.told_wrong.append(label)
    elif wished and statuses and statuses[0] not in _SENT | {"sending", "failed"}:
        result.withheld += 1
    else:
        result.lost.append(label)


def _compare_with_wishes(result: Tally, taken: list[dict[str, Any]], wishes: Wishes) -> None:
    """By the order of commits: what was fenced after its client's wish was committed. What was fenced before and
    reached the provider after is counted beside it: a call that had begun cannot be taken back."""
    fenced = _fenced_at()
    for mail in taken:
        number = _number(mail["to"])
        wish = wishes.committed_at.get(number)
        if wish is None:
            continue
        fence = fenced.get(mail["message_id"])
        if fence is None or fence > wish:
            result.against_will.append(f"{PREFIX}{number}: wish {wish}, fence {fence}")
        late = mail["at"] - wish.timestamp()
        if late > 0:
            result.after_the_wish += 1
            result.latest_after_the_wish_seconds = max(result.latest_after_the_wish_seconds, late)


def _number(address: str) -> int:
    return int(address.partition("@")[0].removeprefix(PREFIX))


def _rows() -> dict[int, list[dict[str, Any]]]:
    sql = """
        SELECT c.reference, m.id::text, m.status, m.call_started_at::text, a.delivery_status, a.outcome_code
          FROM crm_clients c JOIN crm_communications m ON m.client_id = c.id
          LEFT JOIN LATERAL (SELECT * FROM crm_delivery_logs WHERE communication_id = m.id
                              ORDER BY number DESC LIMIT 1) a ON true
    """
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for reference, identifier, status, called, attempt, code in cursor.fetchall():
            found[int(reference.rpartition("-")[2])].append(
                {
                    "communication_id": identifier,
                    "status": status,
                    "call_started_at": called,
                    "attempt": attempt,
                    "code": code,
                }
            )
    return found


def _fenced_at() -> dict[str, Any]:
    """Message-ID → the fence's instant. While the faults last the demo's clock stands at zero, and later times only
    ever grow by it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id, started_at FROM crm_delivery_logs")
        return dict(cursor.fetchall())
