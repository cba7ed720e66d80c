"""Made-up personal data in every field of every kind of request, good and bad, and what the stack answered."""

import json
from typing import Any

from tests.canaries import Canaries
from tests.canary_requests import TYPES, Told, body_of, field_paths, refused_fields, wrong_values_for
from tests.canary_troubles import database_outage, smtp_refusals, unexpected_errors
from tests.running_stack import COMMUNICATIONS, Answer, RunningStack, in_url


def tell_everything(stack: RunningStack) -> Told:
    told = Told(Canaries())
    for part in (
        accepted,
        wrong_values,
        unreadable,
        unauthorised,
        queries_and_paths,
        headers,
        sign_ins,
        staff_pages,
        smtp_refusals,
        unexpected_errors,
        database_outage,
    ):
        part(stack, told)
    return told


def accepted(stack: RunningStack, told: Told) -> None:
    """Every message type, a repeat, the same key with another body, a plan of another client."""
    first: dict[str, Any] = {}
    for message_type in TYPES:
        body = body_of(told.canaries, message_type, message_type)
        first = first or body
        key = told.canaries.text("Idempotency-Key").encode("ascii", "ignore").decode()
        for changes, expected in (({}, {202}), ({}, {200}), ({"send_at": "2030-01-01T00:00:00Z"}, {422})):
            path = f"{COMMUNICATIONS}?wait=10"
            answer = stack.api("POST", path, body | changes, Idempotency_Key=key)
            told.note(f"{message_type} {changes}", expected, answer)
        told.mailed.append(body["client"]["email"])
    taken = body_of(told.canaries, "a plan of another client", plan_id=first["plan_id"])
    told.note("a plan of another client", {409}, stack.api("POST", COMMUNICATIONS, taken))


def wrong_values(stack: RunningStack, told: Told) -> None:
    """Each field in turn with values of the wrong kind, and fields that do not exist."""
    for path in field_paths(body_of(Canaries(), "")):
        where = ".".join(path)
        for value in wrong_values_for(told.canaries, where):
            body = body_of(told.canaries, f"beside a wrong {where}")
            inner = body
            for name in path[:-1]:
                inner = inner[name]
            inner[path[-1]] = value
            answer = stack.api("POST", COMMUNICATIONS, body)
            told.note(f"{where} = {type(value).__name__}", {202, 422}, answer)
            if answer.status == 202 and path[-1] in {"name", "client_name"}:
                told.canaries.count_as_name(value)
    for changes in refused_fields(told.canaries):
        body = body_of(told.canaries, "beside a field that is refused", **changes)
        told.note(f"{next(iter(changes))} refused", {422}, stack.api("POST", COMMUNICATIONS, body))
    body = body_of(told.canaries, "beside an unknown field of client")
    body["client"][told.canaries.word("name of a field of client")] = told.canaries.text("field of client")
    told.note("unknown field of client", {422}, stack.api("POST", COMMUNICATIONS, body))
    for whole in ([told.canaries.text("a list as body")], told.canaries.text("a text as body"), 5):
        told.note("no object", {400, 422}, stack.api("POST", COMMUNICATIONS, whole))


def unreadable(stack: RunningStack, told: Told) -> None:
    """Bodies that are no JSON, too large, of another kind; requests that are no HTTP."""
    canaries = told.canaries
    json_type = {"Content_Type": "application/json", "Authorization": f"Bearer {stack.facts['token']}"}
    whole = json.dumps(body_of(canaries, "broken JSON")).encode()
    broken = {
        "cut off": whole[:-30],
        "a NUL": whole.replace(b"leak-plan", b"leak\x00plan"),
        "invalid UTF-8": whole.replace(b"leak-plan", b"leak\xffplan"),
        "half a surrogate pair": whole.replace(b"leak-plan", b"leak\\ud800plan"),
        "NaN": whole.replace(b'"guest_count": 120', b'"guest_count": NaN'),
        "too deep": b'{"x":' * 90 + whole + b"}" * 90,
        "no JSON": canaries.text("a body of text").encode(),
    }
    for what, body in broken.items():
        told.note(what, {400}, stack.web("POST", COMMUNICATIONS, body=body, **json_type))
    for kind in (
        "text/plain",
        f"application/{canaries.word('media type')}",
        "multipart/form-data; boundary=x",
    ):
        sent = (
            b'--x\r\nContent-Disposition: form-data; name="a"; filename="' + whole + b'"\r\n\r\n\r\n--x--\r\n'
        )
        other = json_type | {"Content_Type": kind}
        told.note(kind, {400, 415}, stack.web("POST", COMMUNICATIONS, body=sent, **other))
    large = json.dumps({"name": canaries.text("a large body"), "secret": "x" * 1_100_000}).encode()
    told.note(
        "too large", {413}, stack.web("POST", "/api/crm/token", body=large, Content_Type="application/json")
    )
    for line in (
        b"GET /%s HTTP/9.9",
        b"%s / HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: %s\r\nContent-Length: %s",
        b"%s",
    ):
        word = canaries.word("a request that is no HTTP").encode()
        stack.raw(line.replace(b"%s", word) + b"\r\n\r\n")


def unauthorised(stack: RunningStack, told: Told) -> None:
    """No token, tokens of strangers, a scope that does not allow it."""
    canaries = told.canaries
    printed = stack.manage("create_service_account", "leak-reader", "--scope", "crm:read")
    secret = next(line.split()[1] for line in printed.splitlines() if line.startswith("secret"))
    issued = stack.api("POST", "/api/crm/token", {"name": "leak-reader", "secret": secret}).json()
    told.credentials |= {secret: "the secret of an account", stack.facts["token"]: "the token of `up`"}
    told.credentials |= {issued["access"]: "an access token", issued["refresh"]: "a refresh token"}
    told.credentials |= {stack.facts["staff"]["password"]: "the password of staff"}
    for path in (COMMUNICATIONS, f"{COMMUNICATIONS}/{canaries.word('path')}"):
        body = body_of(canaries, "without the scope")
        told.note("without the scope", {403, 404, 405}, stack.api("POST", path, body, token=issued["access"]))
    data = json.dumps(body_of(canaries, "without a token")).encode()
    for authorization in (
        "",
        f"Bearer {canaries.word('bearer token')}",
        f"Bearer eyJhbGciOiJIUzI1NiJ9.{canaries.word('claims')}.{canaries.word('signature')}",
        f"Basic {canaries.word('basic credentials')}",
        f"{canaries.word('scheme')} {canaries.word('credentials')}",
    ):
        named = {"Authorization": authorization, "Content_Type": "application/json"}
        told.note("no valid token", {401}, stack.web("POST", COMMUNICATIONS, body=data, **named))


def queries_and_paths(stack: RunningStack, told: Told) -> None:
    c = told.canaries
    parameters = (
        "q",
        "cursor",
        "plan_id",
        "client_id",
        "status",
        "start_date",
        "limit",
        c.word("a parameter"),
    )
    for name in parameters:
        for value in (c.text(f"?{name}="), c.email(f"?{name}="), c.phone(f"?{name}=")):
            path = f"{COMMUNICATIONS}?{name}={in_url(value)}"
            told.note(f"GET ?{name}", {200, 422}, stack.api("GET", path))
            if name != "q":
                body = body_of(c, f"beside ?{name}")
                told.note(f"POST ?{name}", {422}, stack.api("POST", path, body))
    twice = c.word("a parameter given twice")
    body = body_of(c, "beside a parameter given twice")
    told.note("twice", {422}, stack.api("POST", f"{COMMUNICATIONS}?{twice}=1&{twice}=2", body))
    for base in (f"{COMMUNICATIONS}/", "/api/crm/", "/", "/admin/", "/static/", "/api/crm/health/"):
        path = f"{base}{in_url(c.email('path'))}/{in_url(c.text('path'))}?{c.word('name')}={c.word('value')}"
        told.note(f"GET {base}…", {302, 404}, stack.api("GET", path))
    word = c.word("method").upper()
    told.note("method", {400, 405}, stack.api(word, COMMUNICATIONS))


def headers(stack: RunningStack, told: Told) -> None:
    """Whatever a program or a browser may send about itself. A sane X-Request-Id is a reference and stays."""
    c = told.canaries
    names = ("User_Agent", "Referer", "Origin", "Accept", "Accept_Language", "X_Forwarded_For", "Forwarded")
    names += (
        "X_Real_IP",
        "X_Request_Id",
        "X_Forwarded_Host",
        "Cookie",
        "If_None_Match",
        "Via",
        "From",
        "X_Any",
    )
    for name in names:
        values = (c.email(name), f"https://{c.word(name)}.example/?{c.word(name)}", c.phone(name))
        for value in values:
            told.note(name, {200}, stack.api("GET", f"{COMMUNICATIONS}?limit=1", **{name: value}))
    cookies = f"sessionid={c.word('session cookie')}; csrftoken={c.word('csrf cookie')}"
    told.note("cookies", {200}, stack.api("GET", f"{COMMUNICATIONS}?limit=1", Cookie=cookies))
    told.note("Host", {400}, stack.api("GET", COMMUNICATIONS, Host=f"{c.word('Host')}.example"))


def sign_ins(stack: RunningStack, told: Told) -> None:
    """The token endpoint with names, secrets and scopes that are not right."""
    c = told.canaries
    for body, expected in (
        ({"name": c.word("account name"), "secret": c.word("secret")}, {401}),
        ({"name": c.email("account name"), "secret": c.text("secret")}, {401}),
        ({"name": "planning-agent", "secret": c.word("secret"), "scope": c.word("scope")}, {401}),
        ({"name": [c.text("account name")], "secret": {c.word("a name"): c.text("secret")}}, {422}),
        ({c.word("unknown field"): c.text("unknown field")}, {422}),
    ):
        told.note("token", expected, stack.api("POST", "/api/crm/token", body))
    for body, expected in (
        ({"refresh": c.word("refresh token")}, {401}),
        ({"refresh": f"eyJhbGciOiJIUzI1NiJ9.{c.word('refresh token')}.x"}, {401}),
        ({"refresh": [c.text("refresh token")]}, {422}),
    ):
        told.note("refresh", expected, stack.api("POST", "/api/crm/token/refresh", body))


def staff_pages(stack: RunningStack, told: Told) -> None:
    """Signing in wrongly, then rightly, and searching for people."""
    c = told.canaries
    login = f"/login/?next=/admin/{c.word('next')}"
    page = stack.web("GET", login)
    cookie = page.headers["Set-Cookie"].split(";")[0]
    csrf = cookie.partition("=")[2]

    def sign_in(username: str, password: str, token: str) -> Answer:
        form = f"username={in_url(username)}&password={in_url(password)}&csrfmiddlewaretoken={token}"
        kind = "application/x-www-form-urlencoded"
        return stack.web("POST", login, body=form.encode(), Content_Type=kind, Cookie=cookie)

    told.note("login", {200}, sign_in(c.email("user name"), c.text("password"), csrf))
    told.note("login", {403}, sign_in(c.word("user name"), c.word("password"), c.word("csrf token")))
    staff = stack.facts["staff"]
    told.note("login", {200}, sign_in(staff["username"], c.word("password of staff"), csrf))
    entered = told.note("login", {302}, sign_in(staff["username"], staff["password"], csrf))
    cookies = [each.split(";")[0] for each in entered.headers.get_all("Set-Cookie", [])]
    told.credentials |= {each.partition("=")[2]: "a cookie of staff" for each in cookies if "session" in each}
    pages = ("clients/client", "communications/communication", "core/attentionitem", "core/auditentry")
    for path in pages:
        for search in (c.text("search by staff"), c.email("search by staff")):
            answer = stack.web("GET", f"/admin/{path}/?q={in_url(search)}", Cookie="; ".join(cookies))
            told.note(f"staff look at {path}", {200, 302, 404}, answer)
