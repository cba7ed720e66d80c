"""A total time limit for calls whose libraries only know a limit per read."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

_CHECK_SECONDS = 0.25


class Watchdog:
    """Calls `abort` of every bound call that passes its deadline (monotonic seconds). One thread for all calls,
    started with the first, so that a call costs two dictionary operations."""

    def __init__(self) -> None:
        self._calls: dict[int, tuple[float, Callable[[], None]]] = {}
        self._numbers = count()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def bound(self, abort: Callable[[], None], deadline: float) -> Iterator[None]:
        number = next(self._numbers)
        with self._lock:
            self._calls[number] = (deadline, abort)
            self._ensure_thread()
        try:
            yield
        finally:
            with self._lock:
                self._calls.pop(number, None)

    def close(self) -> None:
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout=5)

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(target=self._watch, name="call-watchdog", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(_CHECK_SECONDS):
            now = time.monotonic()
            with self._lock:
                # Aborting under the lock: a call that has ended, and whose connection serves another, is never hit.
                for deadline, abort in self._calls.values():
                    if deadline <= now:
                        abort()
