"""EML-11: files from addresses that callers give. A real server that behaves in every bad way."""

import time

import pytest

from communications.connectors.files.addresses import trusted_origins
from communications.connectors.files.fetcher import fetch_file, is_public, name_in
from communications.rules.files import FileRefused
from communications.tests.files_server import a_pdf, file_server


@pytest.fixture(scope="module")
def server():
    with file_server() as running:
        yield running


def fetch(server, path, seconds=5.0):
    return fetch_file(f"{server.origin}{path}", trusted_origins={server.origin}, seconds=seconds)


def refusal(call):
    with pytest.raises(FileRefused) as caught:
        call()
    assert caught.value.detail.endswith(".")
    return caught.value.code


def test_a_file_and_one_behind_a_redirect(server):
    server.offers("/plan.pdf", a_pdf())
    server.redirects_to("/short-name", "/plan.pdf")
    assert fetch(server, "/plan.pdf") == a_pdf()
    assert fetch(server, "/short-name") == a_pdf()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/nothing", "fetch_failed"),
        ("/huge_length", "file_too_large"),
        ("/endless", "file_too_large"),
        ("/short", "fetch_failed"),
        ("/packed", "packed_content"),
        ("/loop", "too_many_redirects"),
        ("/nonsense", "fetch_failed"),
    ],
)
def test_what_servers_may_do(server, path, code):
    assert refusal(lambda: fetch(server, path)) == code


def test_more_than_was_announced_is_not_read(server):
    assert len(fetch(server, "/understated")) == 100


@pytest.mark.parametrize("path", ["/drip", "/drip_headers"])
def test_a_slow_server_meets_one_limit_for_all_it_sends(server, path):
    started = time.monotonic()
    assert refusal(lambda: fetch(server, path, seconds=0.5)) == "fetch_timeout"
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x.pdf",
        "https://localhost/x.pdf",
        "https://[::1]/x.pdf",
        "https://[::ffff:127.0.0.1]/x.pdf",
        "https://[::ffff:a9fe:a9fe]/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
    ],
)
def test_an_address_inside_is_refused_however_it_is_written_and_reached(server, url):
    assert refusal(lambda: fetch_file(url)) == "private_address"
    # And just so behind a redirect from a server that may be called.
    server.redirects_to("/inside", url)
    assert refusal(lambda: fetch(server, "/inside")) == "private_address"


def test_a_redirect_to_another_port_of_a_trusted_host_is_refused(server):
    server.redirects_to("/port", "http://127.0.0.1:6379/")
    assert refusal(lambda: fetch(server, "/port")) == "not_https"
    server.redirects_to("/file", "file:///etc/passwd")
    assert refusal(lambda: fetch(server, "/file")) == "invalid_url"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/x.pdf", "not_https"),
        ("https://example.com:8443/x.pdf", "not_https"),
        ("https://user:word@example.com/x.pdf", "credentials_in_url"),
        ("ftp://example.com/x.pdf", "invalid_url"),
        ("https:///x.pdf", "invalid_url"),
        ("https://[::1/x.pdf", "invalid_url"),
        ("https://example.com:99999/x.pdf", "invalid_url"),
        ("https://exa mple.com/", "invalid_url"),
        ("https://example.com/\r\nX: y", "invalid_url"),
        ("https://exämple.com/", "invalid_url"),
        ("plan.pdf", "invalid_url"),
        ("https://example.com/" + "x" * 2_000, "invalid_url"),
    ],
)
def test_addresses_that_are_not_called(url, code):
    assert refusal(lambda: fetch_file(url)) == code


def test_a_name_that_nobody_has():
    assert refusal(lambda: fetch_file("https://files.invalid/x.pdf")) == "fetch_failed"


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "::", "fc00::1", "fe80::1%eth0", "64:ff9b::7f00:1",
     "2002:7f00:1::", "::ffff:10.0.0.1", "nonsense"],
)  # fmt: skip
def test_addresses_of_some_network_or_none(address):
    assert not is_public(address)


def test_origins_of_the_setting():
    assert trusted_origins("http://a.test:80, https://b.test") == {"http://a.test:80", "https://b.test:443"}
    with pytest.raises(ValueError, match="write origins as"):
        trusted_origins("files.internal")


def test_the_name_in_an_address():
    assert name_in("https://a.test/x/my%20plan.pdf?token=1") == "my plan"
