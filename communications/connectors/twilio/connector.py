"""SMS through Twilio's own SDK, over our pooled HTTP (twilio.com/docs/messaging/api/message-resource).

Creating a message is not idempotent and takes no reference of ours: what may have reached Twilio without an answer is
ambiguous. Our attempt's id stands in the address of the status callbacks.
"""

import logging
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from communications.choices import OutcomeClass
from communications.connectors.base import Outcome, OutgoingMessage
from communications.connectors.http import Answer, HttpCaller, NoAnswer, NotSent
from communications.connectors.statuses import retry_after
from communications.connectors.twilio.codes import classify
from core.choices import Channel

_MESSAGING_SERVICE: Final = "MG"


@dataclass(frozen=True)
class TwilioSettings:
    """`sender`: a number, or the id of a messaging service. `status_callback_url` empty: Twilio is asked for no
    receipts."""

    account_sid: str
    auth_token: str = field(repr=False)
    sender: str
    base_url: str = "https://api.twilio.com"
    status_callback_url: str = ""


class TwilioConnector:
    """Threads share it, its connections and its SDK client."""

    name = "twilio"
    channel = Channel.SMS

    def __init__(
        self, settings: TwilioSettings, *, concurrency: int = 16, call_limit_seconds: float = 20.0
    ) -> None:
        self.concurrency = concurrency
        self._settings = settings
        self._http = _SdkHttp(call_limit_seconds)
        # An empty environment: the SDK's own TWILIO_EDGE and TWILIO_REGION would rewrite the base URL.
        self._client = Client(
            settings.account_sid, settings.auth_token, http_client=self._http, environment={"": ""}
        )
        self._client.api.base_url = settings.base_url

    def send(self, message: OutgoingMessage) -> Outcome:
        """`payload` is the text in UTF-8."""
        wanted: dict[str, Any] = {"to": message.recipient, "body": message.payload.decode()}
        wanted |= (
            {"messaging_service_sid": self._settings.sender}
            if self._settings.sender.startswith(_MESSAGING_SERVICE)
            else {"from_": self._settings.sender}
        )
        if self._settings.status_callback_url:
            query = urlencode({"attempt": message.attempt_id})
            wanted["status_callback"] = f"{self._settings.status_callback_url}?{query}"
        self._http.forget()
        try:
            self._client.messages.create(**wanted)
        except NotSent as error:
            return Outcome(OutcomeClass.TRANSIENT, code=str(error))
        except NoAnswer as error:
            return Outcome(OutcomeClass.AMBIGUOUS, code=str(error))
        except Exception:
            # An answer that the SDK took for an error, or stumbled over: it is read below.
            if self._http.answer is None:
                raise
        answer = self._http.answer
        return _outcome(answer) if answer else Outcome(OutcomeClass.AMBIGUOUS)

    def close(self) -> None:
        self._http.close()


class _SdkHttp(HttpClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's requests over our caller: its total time limit, and no retry of anybody's. What was answered last is
    kept for each thread, because the SDK's errors do not tell all of it."""

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=False)
        self._caller = HttpCaller(limit_seconds=limit_seconds)
        self._mine = threading.local()

    @property
    def answer(self) -> Answer | None:
        found: Answer | None = self._mine.answer
        return found

    def forget(self) -> None:
        self._mine.answer = None

    def request(  # noqa: PLR0913, PLR0917 - the SDK's own signature
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - our caller has its own
        allow_redirects: bool = False,  # noqa: ARG002 - never
    ) -> Response:
        answer = self._caller.call(method, uri, params=params, data=data, headers=headers, auth=auth)
        self._mine.answer = answer
        return Response(answer.status, answer.text, headers=answer.headers)

    def close(self) -> None:
        self._caller.close()


def _outcome(answer: Answer) -> Outcome:
    said = answer.json_object()
    if 200 <= answer.status < 300:
        sid = said.get("sid")
        if not isinstance(sid, str) or not sid:
            return Outcome(OutcomeClass.AMBIGUOUS, code=str(answer.status), text=answer.text)
        return Outcome(OutcomeClass.ACCEPTED, code=str(answer.status), provider_message_id=sid)
    code = said.get("code")
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    return Outcome(
        classify(answer.status, number),
        code=str(number) if number is not None else f"http {answer.status}",
        text=str(said.get("message", "")) or answer.text[:500],
        retry_after=retry_after(answer.headers.get("retry-after", ""), datetime.now(UTC)),
    )
