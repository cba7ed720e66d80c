"""/phone/ lists the clients' phones; /phone/{number} shows one, on which a person answers as the client. No script."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

from sandbox.markup import PAGE_POLICY, Markup, joined, page, render
from sandbox.messaging.ledger import Ledger, PhoneMessage
from sandbox.messaging.stand_in import MessagingStandIn, phone_path
from sandbox.phone.buttons import buttons_of, link_of
from sandbox.web import HttpError, Request, Response, Route, json_response, page_response, redirect

FORM_POLICY = PAGE_POLICY.replace("form-action 'none'", "form-action 'self'")
LONGEST_TEXT = 1600
_WORDS = {"sms": "SMS", "whatsapp": "WhatsApp"}
_REPLY_FIELDS = {"channel", "text", "button"}


class Phone:
    """`providers` by channel: the first of a channel carries what the client writes."""

    def __init__(self, ledger: Ledger, providers: Sequence[MessagingStandIn]) -> None:
        self._ledger = ledger
        self._providers = providers

    def routes(self) -> Sequence[Route]:
        number = r"/phone/(?P<number>[+A-Za-z0-9.]{1,64})"
        return [
            Route("GET", "/phone", self._to_list),
            Route("GET", "/phone/", self._list_page),
            Route("GET", number, self._phone_page),
            Route("POST", f"{number}/reply", self._reply),
        ]

    def answer(self, number: str, *, channel: str, text: str = "", button: str = "") -> PhoneMessage:
        """The client answers by the provider that wrote last on the channel. HttpError says what is wrong."""
        if bool(text.strip()) is bool(button):
            raise HttpError(400, "Give either text or button.")
        if len(text) > LONGEST_TEXT:
            raise HttpError(400, f"text may have at most {LONGEST_TEXT} characters.")
        carriers = {each.name: each for each in self._providers if each.channel == channel}
        if not carriers:
            known = ", ".join(dict.fromkeys(each.channel for each in self._providers))
            raise HttpError(400, f"channel must be one of: {known}.")
        heard = self._ledger.find(lambda each: each.number == number and each.provider in carriers)
        carrier = carriers[heard[-1].provider] if heard else next(iter(carriers.values()))
        return carrier.receive(number=number, text=text.strip(), button=button)

    async def _reply(self, request: Request) -> Response:
        # Not by the content type: programs call a JSON body a form.
        is_form = not request.body.lstrip().startswith((b"{", b"["))
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise HttpError(403, "Answers are taken from this page and from programs only.")
        given = _form(request) if is_form else _json(request)
        number = request.matched["number"]
        message = self.answer(number, **given)
        return (
            redirect(phone_path(number), status=303)
            if is_form
            else json_response(message.as_json(), status=201)
        )

    async def _to_list(self, _request: Request) -> Response:
        return redirect("/phone/")

    async def _list_page(self, _request: Request) -> Response:
        latest: dict[str, PhoneMessage] = {}
        for message in self._ledger.messages.values():
            latest.pop(message.number, None)
            latest[message.number] = message
        rows = [
            render(
                _part("row.html"),
                path=phone_path(message.number),
                number=message.number,
                text=message.text or "(no text)",
                channel=_WORDS[message.channel],
                time=_time(message),
            )
            for message in reversed(latest.values())
        ]
        body = render(
            _part("list.html"),
            count="No phone yet" if not rows else "1 phone" if len(rows) == 1 else f"{len(rows):,} phones",
            phones=render(_part("rows.html"), rows=joined(*rows)) if rows else render(_part("empty.html")),
        )
        return page_response(page(title="Phones", body=body))

    async def _phone_page(self, request: Request) -> Response:
        number = request.matched["number"]
        heard = self._ledger.find(lambda message: message.number == number)
        last = heard[-1].channel if heard else self._providers[0].channel
        channels = dict.fromkeys(each.channel for each in self._providers)
        choices = [
            render(
                _part("choice.html"),
                value=channel,
                label=_WORDS[channel],
                checked=Markup(" checked") if channel == last else Markup(),
            )
            for channel in channels
        ]
        body = render(
            _part("phone.html"),
            number=number,
            path=phone_path(number),
            bubbles=joined(*(_bubble(message) for message in heard))
            if heard
            else render("<p class=quiet>Nothing has arrived on this phone.</p>"),
            choices=joined(*choices),
        )
        answer = page(title=number, body=body)
        return page_response(answer, headers={"Content-Security-Policy": FORM_POLICY})


def _bubble(message: PhoneMessage) -> Markup:
    link = link_of(message)
    buttons = [
        render(
            _part("button.html"),
            path=phone_path(message.number),
            channel=message.channel,
            identifier=button.identifier,
            label=button.label,
        )
        for button in buttons_of(message)
    ]
    return render(
        _part("bubble.html"),
        side="mine" if message.inbound else "theirs",
        channel=_WORDS[message.channel],
        text=message.text or "(no text)",
        link=render('<p><a href="{link}" rel="noreferrer">{label}</a></p>', link=link[0], label=link[1])
        if link
        else Markup(),
        buttons=render('<div class="choices">{buttons}</div>', buttons=joined(*buttons))
        if buttons
        else Markup(),
        time=_time(message),
        state=f", {message.statuses[-1]}" if message.statuses else "",
    )


def _form(request: Request) -> dict[str, str]:
    given = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    return _checked(given)


def _json(request: Request) -> dict[str, str]:
    given = request.json()
    if not isinstance(given, dict):
        raise HttpError(400, 'Send one JSON object, for example {"channel": "sms", "text": "2"}.')
    return _checked({name: value for name, value in given.items() if value is not None})


def _checked(given: Mapping[str, Any]) -> dict[str, str]:
    if unknown := sorted(set(given) - _REPLY_FIELDS):
        raise HttpError(400, f"{unknown[0]} is not a field. Allowed: {', '.join(sorted(_REPLY_FIELDS))}.")
    if "channel" not in given or not all(isinstance(value, str) for value in given.values()):
        raise HttpError(400, "channel is needed, and every field is a text.")
    return dict(given)


def _time(message: PhoneMessage) -> Markup:
    local = message.at.astimezone()
    return render('<time datetime="{at}">{words}</time>', at=local.isoformat(), words=f"{local:%a %H:%M:%S}")


def _part(name: str) -> str:
    return _PARTS[name]


_PARTS = {
    entry.name: entry.read_text("utf-8") for entry in files("sandbox.phone").joinpath("templates").iterdir()
}
