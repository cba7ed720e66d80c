"""`POST /v2/messages`: sending, ed25519-signed events, and what clients answer."""

import base64
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.credentials import TELNYX_API_KEY, TELNYX_PHONE_NUMBER, TELNYX_SIGNING_SEED
from sandbox.messaging.callbacks import Callback
from sandbox.messaging.ledger import PhoneMessage
from sandbox.messaging.stand_in import MessagingStandIn
from sandbox.web import HttpError, Request, Response, Route, json_response

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_:-]{1,255}")
LONGEST_TEXT = 1600
_STATUS_OF = {"40300": 403, "40011": 429, "10009": 401}
_SIGNER = Ed25519PrivateKey.from_private_bytes(TELNYX_SIGNING_SEED)


class TelnyxStandIn(MessagingStandIn):
    name = "telnyx"
    channel = "sms"
    business = TELNYX_PHONE_NUMBER

    def api_routes(self) -> Sequence[Route]:
        return [Route("POST", "/v2/messages", self._create)]

    def told_by_receipt(self, code: int) -> bool:  # noqa: ARG002 - the same for every code
        """Telnyx checks before it takes a message; `receipt` asks for the other."""
        return False

    def callbacks(self, message: PhoneMessage, error: int | None) -> Sequence[Callback]:
        end = "delivered" if error is None else "delivery_failed"
        return [
            self._event(message, "message.sent", "sent", None),
            self._event(message, "message.finalized", end, error),
        ]

    def receive(self, *, number: str, text: str, button: str) -> PhoneMessage:
        if button:
            raise HttpError(400, "A text message has no buttons. Send text.")
        message = self._keep(number, text, inbound=True, fields={})
        url = f"{self.webhooks_url}/telnyx" if self.webhooks_url else ""
        self.postman.post(
            [_signed(url, _event_body("message.received", _payload(message, "received", None)))]
        )
        return message

    async def _create(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TELNYX_API_KEY}":
            return _error("10009", "Authentication failed")
        given = request.json()
        if (refused := _problem(given, request.headers.get("idempotency-key"))) is not None:
            return refused
        assert isinstance(given, dict)
        key = request.headers.get("idempotency-key", "")
        for known in self._mine():
            if key and known.fields.get("idempotency_key") == key:
                return json_response({"data": _payload(known, "queued", None)})

        def take() -> tuple[PhoneMessage, Response]:
            message = self._keep(
                given["to"], given["text"], inbound=False, fields={**given, "idempotency_key": key}
            )
            self.ledger.note_status(message, "queued")
            return message, json_response({"data": _payload(message, "queued", None)})

        return await self.treat(take, lambda code: _error(str(code), "The request was refused."))

    def _keep(self, number: str, text: str, *, inbound: bool, fields: Mapping[str, Any]) -> PhoneMessage:
        return self.ledger.add(
            provider=self.name,
            channel=self.channel,
            inbound=inbound,
            number=number,
            business=self.business,
            provider_id=str(uuid4()),
            text=text,
            at=datetime.now(UTC),
            fields=dict(fields),
        )

    def _event(self, message: PhoneMessage, kind: str, status: str, error: int | None) -> Callback:
        url = str(
            message.fields.get("webhook_url") or (f"{self.webhooks_url}/telnyx" if self.webhooks_url else "")
        )
        body = _event_body(kind, _payload(message, status, error))
        return _signed(url, body, before=lambda: self.ledger.note_status(message, status))


def _problem(given: object, key: str | None) -> Response | None:
    if not isinstance(given, dict):
        return _error("10015", "Bad Request")
    to, sender, text = (given.get(name) for name in ("to", "from", "text"))
    hook = given.get("webhook_url")
    checks = (
        (key is not None and not IDEMPOTENCY_KEY.fullmatch(key), "10015", "Invalid Idempotency-Key"),
        (not isinstance(to, str) or not E164.fullmatch(to), "40310", "Invalid 'to' address"),
        (sender != TELNYX_PHONE_NUMBER, "40305", "Invalid 'from' address"),
        (not isinstance(text, str) or not text, "40316", "No content provided"),
        (isinstance(text, str) and len(text) > LONGEST_TEXT, "40302", "Message too large"),
        (
            hook is not None and urlsplit(str(hook)).scheme not in {"http", "https"},
            "10015",
            "Invalid webhook_url",
        ),
    )
    return next((_error(code, words) for wrong, code, words in checks if wrong), None)


def _error(code: str, words: str) -> Response:
    status = _STATUS_OF.get(code, 400)
    body = {"errors": [{"code": code, "title": words, "detail": words, "meta": {}}]}
    return json_response(body, status=status, headers={"Retry-After": "2"} if status == 429 else None)


def _payload(message: PhoneMessage, status: str, error: int | None) -> dict[str, Any]:
    ours, theirs = {"phone_number": message.business}, {"phone_number": message.number}
    return {
        "record_type": "message",
        "id": message.provider_id,
        "direction": "inbound" if message.inbound else "outbound",
        "type": "SMS",
        "from": theirs if message.inbound else ours,
        "to": [{**(ours if message.inbound else theirs), "status": status}],
        "text": message.text,
        "received_at": message.at.isoformat().replace("+00:00", "Z"),
        "errors": [{"code": str(error), "title": "Not delivered", "detail": "Not delivered"}]
        if error
        else [],
    }


def _event_body(kind: str, payload: Mapping[str, Any]) -> bytes:
    data = {
        "record_type": "event",
        "event_type": kind,
        "id": str(uuid4()),
        "occurred_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "payload": payload,
    }
    return json.dumps({"data": data, "meta": {"attempt": 1}}).encode()


def _signed(url: str, body: bytes, before: Any = lambda: None) -> Callback:
    """telnyx-signature-ed25519: base64 of ed25519 over `{timestamp}|{raw body}`."""
    timestamp = str(int(time.time()))
    signature = _SIGNER.sign(f"{timestamp}|".encode() + body)
    headers = {
        "Content-Type": "application/json",
        "telnyx-timestamp": timestamp,
        "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
        "User-Agent": "telnyx-webhooks",
    }
    return Callback(url, body, headers, before)
