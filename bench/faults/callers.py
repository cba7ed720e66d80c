"""The planning agent during the faults: it asks until it is answered, always with the same Idempotency-Key."""

import json
import threading
import time
from collections import Counter

from bench.bodies import a_body
from bench.load import Caller

PREFIX = "f"
_AGAIN_AFTER_SECONDS = 0.25


class Callers:
    """Threads that ask for messages number 0, 1, 2 …, each for a client and plan of its own."""

    def __init__(self, url: str, token: str, *, messages: int, threads: int) -> None:
        self._url, self._token, self._messages = url, token, messages
        self._lock = threading.Lock()
        self._next = 0
        self._stopped = threading.Event()
        self.accepted: set[int] = set()
        self.answers: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """What is not accepted by now never is: it counts for nothing."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    @property
    def done(self) -> bool:
        return len(self.accepted) == self._messages

    @property
    def share(self) -> float:
        return len(self.accepted) / self._messages

    def _work(self) -> None:
        caller = Caller(self._url, self._token, timeout=30)
        while not self._stopped.is_set():
            with self._lock:
                number = self._next
                self._next += 1
            if number >= self._messages:
                return
            self._ask_until_answered(caller, number)

    def _ask_until_answered(self, caller: Caller, number: int) -> None:
        body = json.dumps(a_body(number, urgency="normal", prefix=PREFIX)).encode()
        while not self._stopped.is_set():
            try:
                reply = caller.post(
                    "/api/crm/communications", body, headers=f"Idempotency-Key: {PREFIX}-{number}\r\n"
                )
                answer = str(reply.status)
            except OSError as error:
                answer = type(error).__name__
            with self._lock:
                self.answers[answer] += 1
                if answer in {"200", "202"}:
                    self.accepted.add(number)
                    return
            time.sleep(_AGAIN_AFTER_SECONDS)
