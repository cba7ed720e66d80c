"""`/2010-04-01/Accounts/{Sid}/Messages.json`: sending, looking up, status callbacks and what clients answer."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sandbox.credentials import TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER
from sandbox.messaging.callbacks import Callback
from sandbox.messaging.ledger import PhoneMessage
from sandbox.messaging.stand_in import MessagingStandIn
from sandbox.twilio import checks
from sandbox.web import HttpError, Request, Response, Route, json_response

MESSAGES = r"/2010-04-01/Accounts/(?P<account>[^/]+)/Messages"
LARGEST_PAGE = 1000
STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS = frozenset({"start", "unstop", "yes"})
STOPPED = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe."
)


class TwilioStandIn(MessagingStandIn):
    name = "twilio"
    channel = "sms"
    business = TWILIO_PHONE_NUMBER

    def api_routes(self) -> Sequence[Route]:
        return [
            Route("POST", rf"{MESSAGES}\.json", self._create),
            Route("GET", rf"{MESSAGES}\.json", self._look_up),
            Route("GET", rf"{MESSAGES}/(?P<sid>(SM|MM)[0-9a-f]{{32}})\.json", self._fetch),
        ]

    def told_by_receipt(self, code: int) -> bool:
        """What the carrier or the network finds out (300xx), and what other channels do (63xxx)."""
        return 30_000 <= code < 31_000 or 63_000 <= code < 64_000

    def callbacks(self, message: PhoneMessage, error: int | None) -> Sequence[Callback]:
        """Nothing for the first status, which was the answer."""
        statuses = ("sent", "delivered" if error is None else "undelivered")
        return [self._status_callback(message, status, error) for status in statuses]

    def receive(self, *, number: str, text: str, button: str) -> PhoneMessage:
        if button:
            raise HttpError(400, "A text message has no buttons. Send text.")
        kind = self._opt_out_type(number, text)
        message = self._keep(number, text, inbound=True, fields={"OptOutType": kind} if kind else {})
        form = {
            "ToCountry": "US",
            "SmsMessageSid": message.provider_id,
            "NumMedia": "0",
            "SmsSid": message.provider_id,
            "SmsStatus": "received",
            "Body": text,
            "To": self.business,
            "NumSegments": str(checks.segments(text)),
            "MessageSid": message.provider_id,
            "AccountSid": TWILIO_ACCOUNT_SID,
            "From": number,
            "ApiVersion": "2010-04-01",
            **({"OptOutType": kind} if kind else {}),
        }
        url = f"{self.webhooks_url}/twilio/inbound" if self.webhooks_url else ""
        self.postman.post([_signed(url, form)])
        if kind == "STOP":
            self._keep(number, STOPPED, inbound=False, fields={"automatic": True})
        return message

    def opted_out(self) -> frozenset[str]:
        """Twilio keeps its own list, by the words that clients sent."""
        out: set[str] = set()
        for message in self._mine():
            kind = message.fields.get("OptOutType") if message.inbound else None
            if kind == "STOP":
                out.add(message.number)
            elif kind == "START":
                out.discard(message.number)
        return frozenset(out)

    def _opt_out_type(self, number: str, text: str) -> str:
        word = text.strip().lower()
        if word in STOP_WORDS:
            return "STOP"
        return "START" if word in START_WORDS and number in self.opted_out() else ""

    async def _create(self, request: Request) -> Response:
        if refused := _refused_account(request):
            return refused
        if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return _error(20001, status=400)
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if (code := checks.problem(form, self.opted_out())) is not None:
            return _error(code, number=form.get("To", ""))

        def take() -> tuple[PhoneMessage, Response]:
            message = self._keep(form["To"], form.get("Body", ""), inbound=False, fields=form)
            self.ledger.note_status(message, "queued")
            return message, json_response(_as_resource(message), status=201)

        return await self.treat(take, lambda code: _error(code, number=form["To"]))

    async def _look_up(self, request: Request) -> Response:
        if refused := _refused_account(request):
            return refused
        query = request.query
        found = [message for message in reversed(self._mine()) if _is_wanted(message, query)]
        size = min(int(query.get("PageSize", "50")), LARGEST_PAGE)
        page = int(query.get("Page", "0"))
        shown, more = found[page * size : (page + 1) * size], len(found) > (page + 1) * size
        following = urlencode({**query, "PageSize": size, "Page": page + 1})
        path = request.path
        return json_response(
            {
                "messages": [_as_resource(message) for message in shown],
                "page": page,
                "page_size": size,
                "uri": path,
                "first_page_uri": f"{path}?{urlencode({**query, 'PageSize': size, 'Page': 0})}",
                "next_page_uri": f"{path}?{following}" if more else None,
                "previous_page_uri": None,
            }
        )

    async def _fetch(self, request: Request) -> Response:
        if refused := _refused_account(request):
            return refused
        for message in self._mine():
            if message.provider_id == request.matched["sid"]:
                return json_response(_as_resource(message))
        return _error(20404)

    def _keep(self, number: str, text: str, *, inbound: bool, fields: Mapping[str, Any]) -> PhoneMessage:
        return self.ledger.add(
            provider=self.name,
            channel=self.channel,
            inbound=inbound,
            number=number,
            business=self.business,
            provider_id=f"SM{secrets.token_hex(16)}",
            text=text,
            at=datetime.now(UTC),
            fields=dict(fields),
        )

    def _status_callback(self, message: PhoneMessage, status: str, error: int | None) -> Callback:
        url = str(message.fields.get("StatusCallback", ""))
        form = {
            "SmsSid": message.provider_id,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": message.number,
            "MessageSid": message.provider_id,
            "AccountSid": TWILIO_ACCOUNT_SID,
            "From": message.business,
            "ApiVersion": "2010-04-01",
        }
        if status == "delivered":
            form["RawDlrDoneDate"] = f"{datetime.now(UTC):%y%m%d%H%M}"
        if status == "undelivered":
            form["ErrorCode"] = str(error)
        return _signed(url, form, before=lambda: self.ledger.note_status(message, status))


def _signed(url: str, form: Mapping[str, str], before: Any = lambda: None) -> Callback:
    """X-Twilio-Signature: base64(HMAC-SHA1(token, URL + sorted names and values))."""
    said = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(TWILIO_AUTH_TOKEN.encode(), said.encode(), hashlib.sha1).digest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": base64.b64encode(digest).decode(),
        "I-Twilio-Idempotency-Token": secrets.token_hex(16),
        "User-Agent": "TwilioProxy/1.1",
    }
    return Callback(url, urlencode(form).encode(), headers, before)


def _refused_account(request: Request) -> Response | None:
    wanted = base64.b64encode(f"{TWILIO_ACCOUNT_SID}:{TWILIO_AUTH_TOKEN}".encode()).decode()
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or not hmac.compare_digest(given.encode(), wanted.encode()):
        return _error(20003)
    return None if request.matched["account"] == TWILIO_ACCOUNT_SID else _error(20404)


def _error(code: int, *, status: int | None = None, number: str = "") -> Response:
    status = status or checks.http_status(code)
    body = {
        "code": code,
        "message": checks.words(code, number),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return json_response(body, status=status, headers={"Retry-After": "2"} if status == 429 else None)


def _is_wanted(message: PhoneMessage, query: Mapping[str, str]) -> bool:
    sender = message.number if message.inbound else message.business
    to = message.business if message.inbound else message.number
    if query.get("To", to) != to or query.get("From", sender) != sender:
        return False
    at = message.at
    same_day = query.get("DateSent")
    if same_day and at.date() != date.fromisoformat(same_day[:10]):
        return False
    since, until = query.get("DateSent>"), query.get("DateSent<")
    return not (since and at < _instant(since)) and not (
        until and at > _instant(until) + timedelta(seconds=1)
    )


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _as_resource(message: PhoneMessage) -> dict[str, Any]:
    at = format_datetime(message.at)
    account = f"/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}"
    uri = f"{account}/Messages/{message.provider_id}"
    return {
        "account_sid": TWILIO_ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": message.text,
        "date_created": at,
        "date_sent": at,
        "date_updated": at,
        "direction": "inbound" if message.inbound else "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": message.number if message.inbound else message.business,
        "messaging_service_sid": message.fields.get("MessagingServiceSid"),
        "num_media": "0",
        "num_segments": str(checks.segments(message.text)),
        "price": None,
        "price_unit": "USD",
        "sid": message.provider_id,
        "status": "received" if message.inbound else (message.statuses or ["queued"])[-1],
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.business if message.inbound else message.number,
        "uri": f"{uri}.json",
    }
