"""Telling the product what became of a message, as a provider does: signed, one after another, later."""

import asyncio
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

logger = logging.getLogger("sandbox")

ANSWER_WITHIN_SECONDS = 10.0
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Callback:
    """One POST. `before` runs when it is about to leave, `after` once it was answered."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    before: Callable[[], None] = lambda: None


class Postman:
    """Posts in the background. What nobody takes is logged once and forgotten. Belongs to one event loop."""

    def __init__(self) -> None:
        self._rounds: set[asyncio.Task[None]] = set()

    def post(self, callbacks: Iterable[Callback], *, reorder: bool = False, repeat: bool = False) -> None:
        """In their order, one after another; last first with `reorder`, each twice with `repeat`."""
        ordered = list(callbacks)
        if reorder:
            ordered.reverse()
        if repeat:
            ordered = [callback for each in ordered for callback in (each, each)]
        task = asyncio.get_running_loop().create_task(self._post(ordered))
        self._rounds.add(task)
        task.add_done_callback(self._rounds.discard)

    async def stop(self) -> None:
        for task in list(self._rounds):
            task.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)

    async def _post(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            await asyncio.sleep(PAUSE_SECONDS)
            callback.before()
            if callback.url:
                await asyncio.to_thread(_deliver, callback)


def _deliver(callback: Callback) -> None:
    request = urllib.request.Request(
        callback.url, data=callback.body, headers=dict(callback.headers), method="POST"
    )
    try:
        # Straight to where it is wanted, whatever proxy the environment names.
        with _DIRECT.open(request, timeout=ANSWER_WITHIN_SECONDS) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        with error:
            logger.info("A callback was answered %s", error.code)
    except OSError:
        logger.info("A callback reached nobody")


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
