import re
from email.message import EmailMessage

import pytest

NASTY = "<script>alert('x')</script>\"&"


def wedding_mail(subject="Preventivo per l’estate è pronto") -> bytes:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Aurelia <hello@example.com>"
    message["To"] = "priya@example.com"
    message["Message-ID"] = "<w1@example.com>"
    message.set_content("Ciao Priya, <b>not bold</b>")
    message.add_alternative(
        '<p>Ciao <b>Priya</b></p><script>run()</script><img src="https://track.example/p.png">'
        '<a href="https://example.com/?a=1&amp;b=2">See the <i>plan</i></a><a href="javascript:run()">no</a>',
        subtype="html",
    )
    message.add_attachment(
        b"x" * 2000, maintype="application", subtype="pdf", filename="Angebot für Priya.pdf"
    )
    return message.as_bytes().replace(b"\n", b"\r\n")


def test_an_empty_list_says_what_will_appear(http):
    page = http("GET", "/smtp/").text

    assert "No mail yet" in page
    assert "will appear here" in page


def test_the_list_shows_the_newest_first_with_decoded_subjects(http, send):
    send(1)
    send(raw=wedding_mail())
    page = http("GET", "/smtp/").text

    assert "2 mails" in page
    assert page.index("Preventivo per l’estate è pronto") < page.index("Mail 1")
    assert "priya@example.com" in page
    assert "hello@example.com" in page
    assert re.search(r'<time datetime="\d{4}-', page)


def test_a_long_list_is_split_into_pages(http, smtp):
    for number in range(1, 121):
        smtp.sendmail("a@example.com", ["b@example.com"], f"Subject: Mail-{number}.\r\n\r\n".encode())

    def shown(path):
        text = http("GET", path).text
        links = dict(re.findall(r'<a class="(newer|older)" href="([^"]+)"', text))
        return [int(number) for number in re.findall(r"Mail-(\d+)\.", text)], links

    first, links = shown("/smtp/")
    assert first == list(range(120, 70, -1))
    assert "newer" not in links
    second, links = shown(links["older"])
    assert second == list(range(70, 20, -1))
    assert shown(links["newer"])[0] == first
    last, links = shown(links["older"])
    assert last == list(range(20, 0, -1))
    assert "older" not in links
    assert shown("/smtp/?before=nonsense")[0] == first


def test_a_mail_page_shows_every_part(http, send):
    send(raw=wedding_mail())
    page = http("GET", "/smtp/mail/1").text

    assert '<iframe sandbox src="/smtp/mail/1/html"' in page
    assert "Ciao Priya, &lt;b&gt;not bold&lt;/b&gt;" in page
    assert "Angebot für Priya.pdf" in page
    assert "2.0 kB" in page
    assert "<summary>Headers</summary>" in page
    assert "<summary>Source</summary>" in page
    assert 'href="https://example.com/?a=1&amp;b=2"' in page
    assert "See the plan" in page
    assert "javascript:" not in re.sub(r"(?s)<pre>.*</pre>", "", page)


def test_the_preview_is_the_mail_s_html_where_nothing_runs_and_nothing_is_fetched(http, send):
    send(raw=wedding_mail())
    preview = http("GET", "/smtp/mail/1/html")

    assert "<p>Ciao <b>Priya</b></p>" in preview.text
    policy = [rule.strip() for rule in preview.headers["Content-Security-Policy"].split(";")]
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    assert "sandbox" in policy
    assert not [rule for rule in policy if rule.startswith("script-src")]


@pytest.mark.parametrize("path", ["/smtp/", "/smtp/mail/1", "/smtp/mail/99", "/style.css", "/smtp/messages"])
def test_every_answer_forbids_scripts(http, send, path):
    send()
    answer = http("GET", path, headers={"Accept": "text/html"})

    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_came_from_outside_is_escaped_everywhere(http, smtp):
    smtp.ehlo()
    smtp.mail('"<script>1</script>"@example.com'.replace(">", r"\>"))
    smtp.docmd(f'RCPT TO:<"{NASTY.replace(chr(34), "")}"@example.com>')
    smtp.data(
        f"Subject: {NASTY}\r\nX-{NASTY}: {NASTY}\r\nMessage-ID: <{NASTY}>\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\n{NASTY}\r\n"
        f"--b\r\nContent-Type: text/html\r\n\r\n<a href='https://x/\"><script>'>{NASTY}</a>\r\n"
        "--b\r\nContent-Type: application/x\r\n"
        'Content-Disposition: attachment; filename="<script>x</script>"\r\n\r\nx\r\n--b--\r\n'.encode()
    )
    for path in ("/smtp/", "/smtp/mail/1"):
        page = http("GET", path)
        assert page.status == 200
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("Subject: नमस्ते\r\n\r\nx".encode(), id="UTF-8 that was not announced"),
        pytest.param(b"Subject: =?utf-8?b?!!!?= =?nope?q?=ff?= =?utf-8?q?=ff?=\r\n\r\nx", id="broken words"),
        pytest.param(b"Subject: =?unicode_escape?q?=5Cud800?=\r\n\r\nx", id="a lone surrogate"),
        pytest.param(b"Content-Type: text/html; charset=hex\r\n\r\n<p>x</p>", id="a charset that is none"),
        pytest.param(b"Content-Type: text/plain; charset=\0\r\n\r\nx", id="a NUL for a charset"),
        pytest.param(b"Content-Type: multipart/mixed\r\n\r\nx", id="parts without a boundary"),
        pytest.param(b"Content-Transfer-Encoding: base64\r\n\r\n" + b"\xff" * 100, id="base64 that is none"),
        pytest.param(
            b"".join(
                b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(600)
            ),
            id="parts in parts in parts",
        ),
        pytest.param(b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx", id="a mail in a mail"),
        pytest.param(b"Content-Type: text/html\r\n\r\n<![x <a href='http://[' <!doctype [", id="broken HTML"),
        pytest.param(b"Subject: {subject} %s $x\r\n\r\n{body}", id="what looks like a template"),
    ],
)
def test_odd_mails_have_pages(http, smtp, raw):
    smtp.sendmail("", ["b@example.com"], raw)

    assert http("GET", "/smtp/").status == 200
    assert http("GET", "/smtp/mail/1").status == 200
    assert http("GET", "/smtp/mail/1/html").status in (200, 404)


def test_a_changed_behaviour_is_told(sandbox, http):
    assert "Behaviour changed" not in http("GET", "/smtp/").text

    sandbox.behave("refuse", code=550, text="5.1.1 <nobody>", ratio=0.5, count=1)
    page = http("GET", "/smtp/").text
    assert "50% of the next mail is refused at rcpt with “550 5.1.1 &lt;nobody&gt;”" in page
    for mode in ("delay", "drop_before_data", "drop_after_data"):
        sandbox.behave(mode)
        assert "all mails are" in http("GET", "/smtp/").text


def test_the_first_page_and_the_address_without_a_slash_lead_to_the_list(http):
    for path in ("/", "/smtp"):
        assert "No mail yet" in http("GET", path).text
