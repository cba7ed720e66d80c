"""Twilio's stand-in: strict, with real shapes, signed callbacks, and every way to misbehave."""

import base64
import hashlib
import hmac
import json
import queue
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode

import pytest

from sandbox.credentials import TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER
from sandbox.testing import running_sandbox

PRIYA = "+919812345678"
PATH = f"/2010-04-01/Accounts/{TWILIO_ACCOUNT_SID}/Messages"


class Hooks:
    """Takes callbacks as the product would, and keeps them in their order."""

    def __init__(self) -> None:
        self.got: queue.Queue = queue.Queue()
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hooks.got.put((self.path, dict(self.headers), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def next(self):
        return self.got.get(timeout=10)

    def stop(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    made = Hooks()
    yield made
    made.stop()


@pytest.fixture
def sandbox(tmp_path, hooks):
    with running_sandbox(tmp_path, webhooks_url=f"{hooks.url}/hooks") as running:
        yield running


@pytest.fixture
def twilio(sandbox):
    def call(form=None, path=f"{PATH}.json", **query):
        url = f"{sandbox.urls['twilio']}{path}" + (f"?{urlencode(query)}" if query else "")
        token = base64.b64encode(f"{TWILIO_ACCOUNT_SID}:{TWILIO_AUTH_TOKEN}".encode()).decode()
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})
        if form is not None:
            request.data = urlencode(form).encode()
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    return call


def a_text(**changes):
    return {"To": PRIYA, "From": TWILIO_PHONE_NUMBER, "Body": "Hello."} | changes


def form_of(body):
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def signature(url, form):
    said = url + "".join(name + form[name] for name in sorted(form))
    digest = hmac.new(TWILIO_AUTH_TOKEN.encode(), said.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def test_a_message_has_the_shape_of_the_real_one(twilio, http):
    status, made = twilio(a_text(Body="€" * 81))

    assert status == 201
    assert made["sid"].startswith("SM")
    assert len(made["sid"]) == 34
    assert (made["status"], made["direction"], made["num_segments"]) == ("queued", "outbound-api", "2")
    (kept,) = http("GET", "/twilio/messages").json
    assert (kept["provider_id"], kept["to"], kept["text"]) == (made["sid"], PRIYA, "€" * 81)
    assert http("DELETE", "/twilio/messages").json == {"deleted": 1}
    assert http("GET", "/twilio/messages").json == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "919812345678"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "nobody"}, 21212),
        ({"From": "+15005550001"}, 21606),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"StatusCallback": "ftp://x"}, 21609),
    ],
)
def test_what_twilio_refuses_is_refused_with_its_code(twilio, changes, code):
    status, said = twilio(a_text(**changes))

    assert (status, said["status"], said["code"]) == (400, 400, code)
    assert said["more_info"].endswith(f"/{code}")


def test_without_its_token_nothing_is_told(sandbox, twilio):
    url = f"{sandbox.urls['twilio']}{PATH}.json"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, data=b"To=1"), timeout=10)
    assert refused.value.code == 401
    assert json.loads(refused.value.read())["code"] == 20003
    refused.value.close()
    assert twilio(path=f"/2010-04-01/Accounts/{'AC' + 'f' * 32}/Messages.json")[1]["code"] == 20404


def test_receipts_come_signed_in_their_order(twilio, hooks):
    callback = f"{hooks.url}/status?attempt=7"
    _, made = twilio(a_text(StatusCallback=callback))

    for expected in ("sent", "delivered"):
        path, headers, body = hooks.next()
        form = form_of(body)
        assert path == "/status?attempt=7"
        assert (form["MessageSid"], form["MessageStatus"]) == (made["sid"], expected)
        assert headers["X-Twilio-Signature"] == signature(callback, form)
    assert twilio(path=f"{PATH}/{made['sid']}.json")[1]["status"] == "delivered"


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ({"mode": "repeat"}, ["sent", "sent", "delivered", "delivered"]),
        ({"mode": "reorder"}, ["delivered", "sent"]),
        ({"mode": "error", "code": 30003}, ["sent", "undelivered"]),
        ({"mode": "error", "code": 21610, "receipt": True}, ["sent", "undelivered"]),
    ],
)
def test_receipts_misbehave_as_told(http, twilio, hooks, behaviour, told):
    http("PUT", "/twilio/behaviour", behaviour | {"count": 1})
    assert twilio(a_text(StatusCallback=f"{hooks.url}/status"))[0] == 201

    forms = [form_of(hooks.next()[2]) for _ in told]
    assert [form["MessageStatus"] for form in forms] == told
    if "code" in behaviour:
        assert forms[-1]["ErrorCode"] == str(behaviour["code"])
    assert http("GET", "/twilio/behaviour").json == {"mode": "accept"}


def test_errors_are_refusals_and_count_down(http, twilio):
    http("PUT", "/twilio/behaviour", {"mode": "error", "code": 21614, "count": 2, "ratio": 0.5})

    answers = [twilio(a_text())[0] for _ in range(3)]
    assert answers == [201, 400, 201]
    http("PUT", "/twilio/behaviour", {"mode": "error", "code": 20429})
    assert twilio(a_text())[0] == 429


def test_unreachable_closes_the_port_and_accept_opens_it_again(sandbox, http, twilio):
    http("PUT", "/twilio/behaviour", {"mode": "unreachable"})
    with pytest.raises(urllib.error.URLError, match="refused"):
        twilio(a_text())
    http("PUT", "/twilio/behaviour", {"mode": "accept"})
    assert twilio(a_text())[0] == 201


def test_late_answers_late_and_hanging_ends_with_the_connection(http, twilio):
    http("PUT", "/twilio/behaviour", {"mode": "late", "seconds": 0.3})
    began = time.monotonic()
    assert twilio(a_text())[0] == 201
    assert time.monotonic() - began >= 0.3
    http("PUT", "/twilio/behaviour", {"mode": "hang", "seconds": 0.1})
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        twilio(a_text())
    assert len(http("GET", "/twilio/messages").json) == 2


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "mode is missing"),
        ({"mode": "maybe"}, "mode must be one of: accept, error, hang, late, repeat, reorder, unreachable."),
        ({"mode": "error", "code": "x"}, "code must be a whole number"),
        ({"mode": "error", "ratio": 2}, "ratio must be"),
        ({"mode": "error", "receipt": "yes"}, "receipt must be true or false"),
        ({"mode": "unreachable", "count": 1}, "unreachable takes neither"),
        ({"mode": "accept", "speed": 1}, "speed is not a field"),
        ([], "one JSON object"),
    ],
)
def test_bad_behaviours_are_refused(http, body, named):
    answer = http("PUT", "/twilio/behaviour", body)

    assert answer.status == 400
    assert named in answer.json["error"]


def test_messages_are_looked_up(twilio):
    made = [
        twilio(a_text(Body=f"Number {number}", To=to))[1]
        for number, to in enumerate([PRIYA, "+15005550009"] * 2)
    ]

    found = twilio(To=PRIYA, From=TWILIO_PHONE_NUMBER, PageSize=1)[1]
    assert [each["sid"] for each in found["messages"]] == [made[2]["sid"]]
    following = twilio(path=found["next_page_uri"])[1]
    assert [each["sid"] for each in following["messages"]] == [made[0]["sid"]]
    assert following["next_page_uri"] is None
    assert twilio(To=PRIYA, DateSent="2020-01-01")[1]["messages"] == []
    assert twilio(**{"To": PRIYA, "DateSent>": "2020-01-01T00:00:00Z"})[1]["messages"] != []


def test_a_client_answers_on_the_phone(http, twilio, hooks):
    twilio(a_text(Body="Choose 1 or 2."))
    assert http("POST", f"/phone/{PRIYA}/reply", {"channel": "sms", "text": "2"}).status == 201

    path, headers, body = hooks.next()
    form = form_of(body)
    assert path == "/hooks/twilio/inbound"
    assert (form["From"], form["To"], form["Body"]) == (PRIYA, TWILIO_PHONE_NUMBER, "2")
    assert headers["X-Twilio-Signature"] == signature(f"{hooks.url}/hooks/twilio/inbound", form)
    page = http("GET", f"/phone/{PRIYA}").text
    assert page.index("Choose 1 or 2.") < page.index(">2<")
    assert PRIYA in http("GET", "/phone/").text


def test_the_form_answers_and_leads_back(http, twilio):
    form = urlencode({"channel": "sms", "text": "<b>yes</b>"}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = http("POST", f"/phone/{PRIYA}/reply", form, kind)

    assert answer.status == 200  # after the redirect
    assert "&lt;b&gt;yes&lt;/b&gt;" in answer.text
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    foreign = http("POST", f"/phone/{PRIYA}/reply", form, kind | {"Sec-Fetch-Site": "cross-site"})
    assert foreign.status == 403


def test_stop_is_answered_by_twilio_itself(http, twilio, hooks):
    http("POST", f"/phone/{PRIYA}/reply", {"channel": "sms", "text": " Stop "})
    assert form_of(hooks.next()[2])["OptOutType"] == "STOP"
    assert twilio(a_text())[1]["code"] == 21610
    assert "unsubscribed" in http("GET", f"/phone/{PRIYA}").text
    http("POST", f"/phone/{PRIYA}/reply", {"channel": "sms", "text": "START"})
    assert form_of(hooks.next()[2])["OptOutType"] == "START"
    assert twilio(a_text())[0] == 201


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"channel": "sms"}, "either text or button"),
        ({"channel": "sms", "text": "1", "button": "x"}, "either text or button"),
        ({"channel": "sms", "button": "x"}, "no buttons"),
        ({"channel": "fax", "text": "1"}, "channel must be one of"),
        ({"text": "1"}, "channel is needed"),
        ({"channel": "sms", "text": 1}, "every field is a text"),
        ({"channel": "sms", "text": "1", "colour": "red"}, "colour is not a field"),
        ([], "one JSON object"),
    ],
)
def test_bad_answers_are_refused(http, body, named):
    answer = http("POST", f"/phone/{PRIYA}/reply", body)

    assert answer.status == 400
    assert named in answer.json["error"]


def test_what_arrived_is_there_after_a_restart(tmp_path):
    place = tmp_path / "again"
    with running_sandbox(place) as first:
        first.answer(PRIYA, channel="sms", text="Hello")
        first.clear_texts()
        first.answer(PRIYA, channel="sms", text="Hello again")
    with (place / "phone-messages.jsonl").open("a") as file:
        file.write('{"torn')
    with running_sandbox(place) as second:
        second.answer(PRIYA, channel="sms", text="And again")
        assert [(each["id"], each["text"]) for each in second.texts("twilio")] == [
            (2, "Hello again"),
            (3, "And again"),
        ]
    assert (place / "phone-messages.jsonl").stat().st_mode & 0o077 == 0
