import http.client
import json
import socket
from urllib.parse import quote, urlsplit

import pytest

from sandbox.tests.conftest import plain_mail


def test_health_counts(http, send):
    send()

    health = http("GET", "/health").json
    assert health["status"] == "ok"
    assert health["smtp"]["messages"] == 1


def test_messages_are_listed_newest_last(http, send):
    send(1, to=["a@example.com", "b@example.com"])
    send(2)

    first, second = http("GET", "/smtp/messages").json
    assert first["id"] < second["id"]
    assert first["from"] == "hello@example.com"
    assert first["to"] == ["a@example.com", "b@example.com"]
    assert first["message_id"] == "<1@example.com>"
    assert first["received_at"].endswith("Z")
    assert first["raw"] == plain_mail(1).decode()
    assert http("GET", f"/smtp/messages/{second['id']}").json == second


def test_messages_are_filtered(http, send):
    for number in (1, 2, 1, 3):
        send(number)

    def ids(query):
        return [message["id"] for message in http("GET", f"/smtp/messages?{query}").json]

    assert ids("since=2") == [3, 4]
    assert ids("since=4") == []
    assert ids("limit=2") == [1, 2]
    assert ids(f"message_id={quote('<1@example.com>')}") == [1, 3]
    assert ids("message_id=1@example.com&since=1") == [3]
    assert ids("message_id=4@example.com") == []
    assert all("raw" not in message for message in http("GET", "/smtp/messages?raw=0").json)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("since=x", "since must be a whole number"),
        ("since=-1", "since must be"),
        ("since=²", "since must be"),
        ("limit=" + "9" * 20, "limit must be"),
        ("raw=maybe", "raw must be 0 or 1"),
        ("sinse=1", "sinse is not a filter. Allowed: limit, message_id, raw, since."),
    ],
)
def test_bad_filters_are_refused(http, query, named):
    answer = http("GET", "/smtp/messages?" + quote(query, safe="=&"))

    assert answer.status == 400
    assert named in answer.json["error"]


def test_delete_empties_and_never_reuses_an_id(sandbox, http, send):
    send(1)
    send(2)

    assert http("DELETE", "/smtp/messages").json == {"deleted": 2}
    assert http("GET", "/smtp/messages").json == []
    assert http("GET", "/smtp/messages/2").status == 404
    send(3)
    assert [message["id"] for message in http("GET", "/smtp/messages?since=2").json] == [3]
    sandbox.clear()
    assert sandbox.messages() == []


@pytest.mark.parametrize(
    "path", ["/nothing", "/smtp/messages/1", "/smtp/messages/x", "/smtp/mail/1", "/smtp/mail/1/html", "//x"]
)
def test_unknown_addresses_are_404_as_json_or_as_a_page(http, path):
    answer = http("GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
    assert answer.json["error"]

    page = http("GET", path, headers={"Accept": "text/html"})
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/smtp/messages", "DELETE, GET, HEAD"),
        ("DELETE", "/smtp/messages/1", "GET, HEAD"),
        ("POST", "/smtp/behaviour", "GET, HEAD, PUT"),
        ("PUT", "/health", "GET, HEAD"),
        ("POST", "/smtp/", "GET, HEAD"),
    ],
)
def test_wrong_methods_are_405_with_what_is_allowed(http, method, path, allowed):
    answer = http(method, path, b"")

    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_head_is_get_without_the_body(http, send):
    send()

    for path in ("/smtp/messages", "/smtp/", "/health"):
        answer = http("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")


def test_one_connection_carries_many_requests(sandbox, send):
    send()
    address = urlsplit(sandbox.http_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        for path in ("/smtp/messages", "/health", "/nothing", "/smtp/messages"):
            connection.request("GET", path)
            assert json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="no request"),
        pytest.param(b"GET / HTTP/2\r\n\r\n", 400, id="another HTTP"),
        pytest.param(b"GET http://[ HTTP/1.1\r\n\r\n", 400, id="an unreadable address"),
        pytest.param(b"PUT /smtp/behaviour HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="bad length"),
        pytest.param(b"PUT /smtp/behaviour HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 413, id="too long"),
        pytest.param(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411, id="chunks"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431, id="a head too long"),
        pytest.param(b"GET /smtp/messages HTTP/1.0\r\n\r\n", 200, id="an old client"),
    ],
)
def test_broken_http_is_answered_and_the_connection_closed(sandbox, octets, status):
    address = urlsplit(sandbox.http_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(octets)
        answer = client.recv(65536)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
