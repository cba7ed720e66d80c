"""The control API under /smtp: what arrived, and how to fail."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice

from sandbox.fields import BehaviourError
from sandbox.smtp.behaviour import Control, parse_behaviour
from sandbox.smtp.store import MessageStore
from sandbox.web import HttpError, Request, Response, Route, json_response

MAX_ID_DIGITS = 15
_LIST_FILTERS = {"since", "message_id", "limit", "raw"}


class ControlApi:
    def __init__(self, store: MessageStore, control: Control) -> None:
        self._store = store
        self._control = control

    def routes(self) -> Sequence[Route]:
        return [
            Route("GET", "/smtp/messages", self.list_messages),
            Route("DELETE", "/smtp/messages", self.delete_messages),
            Route("GET", r"/smtp/messages/(?P<id>[0-9]{1,15})", self.show_message),
            Route("GET", "/smtp/behaviour", self.show_behaviour),
            Route("PUT", "/smtp/behaviour", self.put_behaviour),
        ]

    async def list_messages(self, request: Request) -> Response:
        """A JSON array, newest last. `since` leaves out that id and older; `limit` takes the first ones after
        it; `raw=0` leaves the mails' text away. Streamed: the list may be longer than memory.
        """
        unknown = sorted(set(request.query) - _LIST_FILTERS)
        if unknown:
            raise HttpError(
                400, f"{unknown[0]} is not a filter. Allowed: {', '.join(sorted(_LIST_FILTERS))}."
            )
        since = _whole_number(request, "since")
        limit = _whole_number(request, "limit")
        if request.query.get("raw", "1") not in ("0", "1"):
            raise HttpError(400, "raw must be 0 or 1.")
        ids = self._store.ids(since=since or 0, message_id=request.query.get("message_id"))
        with_raw = request.query.get("raw") != "0"
        return Response(self._as_array(islice(ids, limit), with_raw=with_raw), "application/json")

    def _as_array(self, ids: Iterator[int], *, with_raw: bool) -> Iterator[bytes]:
        before = b"["
        for number in ids:
            message = self._as_json(number, with_raw=with_raw)
            if message is not None:
                yield before + json.dumps(message).encode()
                before = b",\n"
        yield (b"[" if before == b"[" else b"") + b"]\n"

    async def show_message(self, request: Request) -> Response:
        message = self._as_json(int(request.matched["id"]), with_raw=True)
        if message is None:
            raise HttpError(404, f"There is no message {request.matched['id']}. It may have been deleted.")
        return json_response(message)

    async def delete_messages(self, _request: Request) -> Response:
        deleted = len(self._store)
        self._store.clear()
        return json_response({"deleted": deleted})

    async def show_behaviour(self, _request: Request) -> Response:
        return json_response(self._control.current.as_json())

    async def put_behaviour(self, request: Request) -> Response:
        try:
            self._control.set(parse_behaviour(request.json()))
        except BehaviourError as error:
            raise HttpError(400, str(error)) from None
        return json_response(self._control.current.as_json())

    def _as_json(self, number: int, *, with_raw: bool) -> dict[str, object] | None:
        """`raw` is text, with octets that are not UTF-8 replaced; /smtp/mail/{id}/raw has every octet."""
        caught = self._store.get(number)
        if caught is None:
            return None
        shown: dict[str, object] = {
            "id": caught.id,
            "from": caught.sender,
            "to": list(caught.recipients),
            "message_id": caught.message_id,
            "received_at": caught.received_at.isoformat().replace("+00:00", "Z"),
            "size": caught.size_bytes,
        }
        if with_raw:
            shown["raw"] = (self._store.raw(number) or b"").decode("utf-8", "replace")
        return shown


def _whole_number(request: Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS):
        raise HttpError(400, f"{name} must be a whole number of at most {MAX_ID_DIGITS} digits.")
    return int(text)
