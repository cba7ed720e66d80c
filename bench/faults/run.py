"""The proof (REL-1, REL-6): while processes are killed and paused and servers stop, nothing is lost or sent twice, and
no client's will is passed over. See docs/performance.md for what is counted and how."""

import json
import random
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import Error, close_old_connections, connection

from bench.faults.callers import Callers
from bench.faults.machinery import PROCESSES_PER_WORKER, WORKERS, Machinery
from bench.faults.schedule import KILLS, PAUSES, Amounts, Fault, schedule
from bench.faults.tally import tally
from bench.faults.wishes import Wishes
from bench.taken import Taken
from bench.workbench import Bench
from core import clock
from devstack.console import say

MESSAGES = 20_000
CALLER_THREADS = 6
_ENOUGH_FOR_ALL_FAULTS = 1_000  # below, a quick look with a few of each kind
_FEW_FAULTS = Amounts(kills=2, pauses=1, database_stops=1, broker_stops=1)
CONCURRENCY = 16  # calls at once of one process, the SMTP connector's
_WISHES_PER_THOUSAND = 30
_ERASURES_AMONG_WISHES = 0.3
_LONGEST_BETWEEN_FAULTS_SECONDS = 30.0
_LOAD_WITHIN_SECONDS = 3600.0
_DRAINED_WITHIN_SECONDS = 900.0
_SPOOL_STORED_WITHIN_SECONDS = 120.0
_PROVIDER = {
    "latency_seconds": 0.02,
    "slow": 0.02,
    "slow_seconds": 1.5,
    "drop_before_data": 0.005,
    "drop_after_data": 0.003,
}


@dataclass
class FaultsResult:
    """As `run.py bench faults` prints it."""

    counts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return self.counts


def measure(bench: Bench) -> FaultsResult:
    seed = bench.size.seed if bench.size.seed is not None else random.SystemRandom().randrange(1_000_000)
    say(f"seed {seed}")
    result = _Run(bench, seed).run()
    path = bench.installation.supervisor.state.root / "faults.json"
    path.write_text(json.dumps(result.counts, indent=2, default=str))
    say(f"Everything that was found: {path}")
    return result


class _Run:
    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench, self._seed = bench, seed
        self._messages = bench.size.messages(MESSAGES)
        self._random = random.Random(seed)
        self._machinery = Machinery(bench.installation, seed)
        self._wishes = Wishes()
        self._begun = time.monotonic()

    def run(self) -> FaultsResult:
        self._machinery.start()
        token = self._bench.installation.token()
        self._bench.sink.behave(**_PROVIDER)
        callers = Callers(
            self._bench.installation.url, token, messages=self._messages, threads=CALLER_THREADS
        )
        callers.start()
        try:
            self._do_faults(callers)
            self._let_them_finish(callers)
        finally:
            callers.stop()
        self._bench.sink.behave()
        self._machinery.bring_everything_back()
        drained = self._drain(len(callers.accepted))
        return self._result(callers, drained)

    def _do_faults(self, callers: Callers) -> None:
        amounts = Amounts() if self._messages >= _ENOUGH_FOR_ALL_FAULTS else _FEW_FAULTS
        for moment in schedule(self._seed, amounts):
            waited = time.monotonic()
            while (
                callers.share < moment.share and time.monotonic() - waited < _LONGEST_BETWEEN_FAULTS_SECONDS
            ):
                self._look(callers, f"before {moment.fault}")
            self._machinery.do(moment)
            self._look(callers, f"after {moment.fault}")

    def _let_them_finish(self, callers: Callers) -> None:
        begun = time.monotonic()
        while not callers.done and time.monotonic() - begun < _LOAD_WITHIN_SECONDS:
            self._look(callers, "the last requests")

    def _look(self, callers: Callers, what: str) -> None:
        self._machinery.pause(0.3)
        self._make_wishes(callers)
        self._bench.progress.show(f"{len(callers.accepted)} of {self._messages} accepted, {what}")

    def _make_wishes(self, callers: Callers) -> None:
        """Of clients whose message is on its way, at whatever step of it."""
        due = int(len(callers.accepted) * _WISHES_PER_THOUSAND / 1000) - len(self._wishes.asked)
        for number in self._wishes.candidates(min(due, 10)) if due > 0 else []:
            self._wishes.ask(number, erase=self._random.random() < _ERASURES_AMONG_WISHES)

    def _drain(self, accepted: int) -> bool:
        """Until nothing moves any more. What waits for a retry is helped by the demo's clock; leases are not. What
        was accepted and is not stored yet, because it is spooled, is waited for a while longer."""
        deadline = time.monotonic() + _DRAINED_WITHIN_SECONDS
        quiet_since = None
        while time.monotonic() < deadline:
            self._machinery.pause(1.0)
            close_old_connections()
            try:
                due, later, stored = self._waiting()
                self._bench.progress.show(
                    f"draining: {due} due or under way, {later} for later, {stored} stored"
                )
                if later and not due:
                    clock.move_by(timedelta(minutes=1))
            except Error:
                continue
            if due or later:
                quiet_since = None
                continue
            quiet_since = quiet_since or time.monotonic()
            if stored >= accepted or time.monotonic() - quiet_since > _SPOOL_STORED_WITHIN_SECONDS:
                return True
        return False

    def _waiting(self) -> tuple[int, int, int]:
        """Rows that move by themselves now, and rows that wait for their time, without those told to be silent; and
        how many messages there are at all."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FILTER (WHERE m.status = 'sending' OR m.due_at <= clock_timestamp() + offset_now),"
                " count(*) FILTER (WHERE m.status = 'scheduled' AND m.due_at > clock_timestamp() + offset_now)"
                " FROM crm_communications m JOIN crm_client_preferences p ON p.client_id = m.client_id,"
                " (SELECT coalesce(max(\"offset\"), interval '0') AS offset_now FROM crm_clock) AS clock"
                " WHERE m.status IN ('scheduled', 'sending')"
                " AND (m.status = 'sending' OR p.pause_until IS NULL)"
            )
            ((due, later),) = cursor.fetchall()
            cursor.execute("SELECT count(*) FROM crm_communications")
            ((stored,),) = cursor.fetchall()
        return int(due), int(later), int(stored)

    def _result(self, callers: Callers, drained: bool) -> FaultsResult:
        found = tally(callers.accepted, Taken(self._bench.record).new_lines(), self._wishes)
        sink = self._bench.sink.counts()
        faults = self._machinery.count(KILLS) + self._machinery.done[Fault.STOP_DATABASE]
        bound = faults * WORKERS * PROCESSES_PER_WORKER * CONCURRENCY + sink["after"]
        good = not (found.twice or found.lost or found.against_will) and len(found.in_doubt) <= bound
        counts = {
            "id": "FAULTS",
            "accepted": len(callers.accepted),
            "once": found.once,
            "twice": len(found.twice),
            "lost": len(found.lost),
            "against_will": len(found.against_will),
            "in_doubt": len(found.in_doubt),
            "in_doubt_bound": bound,
            "kills": self._machinery.count(KILLS),
            "ok": good and drained,
            "withheld": found.withheld,
            "told_wrong": len(found.told_wrong),
            "in_doubt_arrived": sum(row["received"] for row in found.in_doubt),
            "reached_provider_after_wish": found.after_the_wish,
            "latest_after_wish_seconds": round(found.latest_after_the_wish_seconds, 2),
            "drained": drained,
        }
        lists = {
            "in_doubt_rows": found.in_doubt,
            "twice_rows": found.twice,
            "lost_rows": found.lost,
            "against_will_rows": found.against_will,
            "told_wrong_rows": found.told_wrong,
        }
        return FaultsResult(counts | self._what_was_done(callers, sink) | lists)

    def _what_was_done(self, callers: Callers, sink: dict[str, int]) -> dict[str, Any]:
        machinery = self._machinery
        return {
            "pauses": machinery.count(PAUSES),
            "database_stops": machinery.done[Fault.STOP_DATABASE],
            "broker_stops": machinery.done[Fault.STOP_BROKER],
            "dropped_before_data": sink["before"],
            "dropped_after_data": sink["after"],
            "silenced": self._wishes.silenced,
            "erased": self._wishes.erased,
            "journal_rejected": len(_journal_rest(self._bench.installation.supervisor.state.root)),
            "restarted": dict(machinery.restarted),
            "answers": dict(callers.answers),
            "seed": self._seed,
            "seconds": round(time.monotonic() - self._begun),
        }


def _journal_rest(root: Path) -> list[Path]:
    """Lines that could not be stored."""
    return list((root / "journal").glob("*.rejected"))
