"""SMS through Telnyx (developers.telnyx.com, POST /v2/messages), the second provider of the channel.

An idempotency key made of our attempt's id goes with every call. Still nothing is repeated after an unknown end:
repeating is the engine's, with a new attempt.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from communications.choices import OutcomeClass
from communications.connectors.base import Outcome, OutgoingMessage
from communications.connectors.http import Answer, HttpCaller, NoAnswer, NotSent
from communications.connectors.statuses import retry_after
from communications.connectors.telnyx.codes import classify
from core.choices import Channel


@dataclass(frozen=True)
class TelnyxSettings:
    """`webhook_url` empty: receipts go where the messaging profile says."""

    api_key: str = field(repr=False)
    sender: str
    messaging_profile_id: str = ""
    base_url: str = "https://api.telnyx.com"
    webhook_url: str = ""


class TelnyxConnector:
    """Threads share it and its connections."""

    name = "telnyx"
    channel = Channel.SMS

    def __init__(
        self, settings: TelnyxSettings, *, concurrency: int = 16, call_limit_seconds: float = 20.0
    ) -> None:
        self.concurrency = concurrency
        self._settings = settings
        self._http = HttpCaller(limit_seconds=call_limit_seconds)

    def send(self, message: OutgoingMessage) -> Outcome:
        """`payload` is the text in UTF-8."""
        settings = self._settings
        body = {"from": settings.sender, "to": message.recipient, "text": message.payload.decode()}
        if settings.messaging_profile_id:
            body["messaging_profile_id"] = settings.messaging_profile_id
        if settings.webhook_url:
            body["webhook_url"] = settings.webhook_url
        headers = {
            "Authorization": f"Bearer {settings.api_key}",
            "Idempotency-Key": message.attempt_id.hex,
        }
        try:
            answer = self._http.call("POST", f"{settings.base_url}/v2/messages", json=body, headers=headers)
        except NotSent as error:
            return Outcome(OutcomeClass.TRANSIENT, code=str(error))
        except NoAnswer as error:
            return Outcome(OutcomeClass.AMBIGUOUS, code=str(error))
        return _outcome(answer)

    def close(self) -> None:
        self._http.close()


def _outcome(answer: Answer) -> Outcome:
    said = answer.json_object()
    if 200 <= answer.status < 300:
        data = said.get("data")
        identifier = data.get("id") if isinstance(data, dict) else None
        if not isinstance(identifier, str) or not identifier:
            return Outcome(OutcomeClass.AMBIGUOUS, code=f"http {answer.status}", text=answer.text[:500])
        return Outcome(OutcomeClass.ACCEPTED, code=str(answer.status), provider_message_id=identifier)
    error = _first_error(said)
    code = error.get("code")
    known = str(code) if isinstance(code, str | int) and not isinstance(code, bool) else None
    return Outcome(
        classify(answer.status, known),
        code=known[:32] if known else f"http {answer.status}",
        text=str(error.get("detail") or error.get("title") or answer.text[:500]),
        retry_after=retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC)),
    )


def _first_error(said: dict[str, Any]) -> dict[str, Any]:
    errors = said.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}
