from datetime import timedelta

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.management import CommandError, call_command
from django.utils import timezone

from core.models import AuditEntry, ServiceAccount
from core.scopes import Scope
from core.service_accounts import create_account, revoke_accounts, rotate_secret
from core.service_tokens import Claims, issue_access_token, read_access_token
from core.tests.api.callers import assert_problem, codes_of, nobody

pytestmark = pytest.mark.django_db

ACTOR = "command:test"


class CountingHasher(MD5PasswordHasher):
    calls = 0

    def encode(self, password, salt):
        CountingHasher.calls += 1
        return super().encode(password, salt)


@pytest.fixture
def secret():
    return create_account(name="agent", scopes=[Scope.READ, Scope.WRITE], actor=ACTOR, now=timezone.now())


def sign_in(secret, **more):
    return nobody().post("/api/crm/token", {"name": "agent", "secret": secret, **more})


def refresh(token, **more):
    return nobody().post("/api/crm/token/refresh", {"refresh": token, **more})


def test_a_secret_gives_tokens(secret, settings):
    response = sign_in(secret)
    body = response.json()
    assert response.status_code == 200
    assert set(body) == {"access", "refresh", "expires_in", "scope"}
    assert (body["expires_in"], body["scope"]) == (
        settings.CRM_ACCESS_TOKEN_MINUTES * 60,
        "crm:read crm:write",
    )
    assert read_access_token(body["access"]) == Claims("agent", frozenset({Scope.READ, Scope.WRITE}))
    assert response["Cache-Control"] == "no-store"
    assert ServiceAccount.objects.get().last_used_at is not None


def test_the_secret_is_stored_as_a_hash_only(secret):
    assert secret not in str(ServiceAccount.objects.values().get())


@pytest.mark.parametrize(
    "credentials",
    [
        {"name": "agent", "secret": "wrong"},
        {"name": "nobody", "secret": "wrong"},
        {"name": "", "secret": "x"},
    ],
)
def test_wrong_names_and_wrong_secrets_look_alike(secret, credentials):
    response = nobody().post("/api/crm/token", credentials)
    if not credentials["name"]:
        assert codes_of(assert_problem(response, 422, "invalid")) == {"name": "blank"}
        return
    body = assert_problem(response, 401, "invalid_credentials")
    assert "agent" not in body["detail"]
    assert response["WWW-Authenticate"]


def test_an_unknown_name_costs_a_hash_too(settings):
    settings.PASSWORD_HASHERS = ["core.tests.api.test_tokens.CountingHasher"]
    CountingHasher.calls = 0
    nobody().post("/api/crm/token", {"name": "nobody", "secret": "x"})
    assert CountingHasher.calls == 1


def test_fewer_scopes_can_be_asked_for(secret):
    body = sign_in(secret, scope="crm:read").json()
    assert body["scope"] == "crm:read"
    assert read_access_token(body["access"]).scopes == {Scope.READ}
    assert refresh(body["refresh"]).json()["scope"] == "crm:read"


@pytest.mark.parametrize("scope", ["crm:admin", "crm:read crm:admin", "everything", " "])
def test_more_scopes_cannot(secret, scope):
    body = assert_problem(sign_in(secret, scope=scope), 422, "invalid")
    assert codes_of(body)["scope"] in {"scope_not_granted", "blank"}


def test_refreshing(secret):
    body = refresh(sign_in(secret).json()["refresh"]).json()
    assert set(body) == {"access", "expires_in", "scope"}
    assert read_access_token(body["access"]).account_name == "agent"


def test_refreshing_gives_the_scopes_of_now(secret):
    token = sign_in(secret).json()["refresh"]
    ServiceAccount.objects.update(scopes=[Scope.READ])
    assert refresh(token).json()["scope"] == "crm:read"
    assert_problem(refresh(token, scope="crm:write"), 422, "invalid")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda now: revoke_accounts(names=["agent"], actor=ACTOR, now=now), id="revoked"),
        pytest.param(lambda now: rotate_secret(name="agent", scopes=[], actor=ACTOR, now=now), id="rotated"),
        pytest.param(lambda now: ServiceAccount.objects.all().delete(), id="deleted"),
    ],
)
def test_a_refresh_token_ends_with_what_it_was_made_from(secret, change):
    token = sign_in(secret).json()["refresh"]
    change(timezone.now())
    assert_problem(refresh(token), 401, "invalid_credentials")
    assert_problem(sign_in(secret), 401, "invalid_credentials")


def test_an_access_token_does_not_refresh(secret):
    assert_problem(refresh(sign_in(secret).json()["access"]), 401, "invalid_credentials")
    forged = issue_access_token(Claims("agent", frozenset(Scope)), lifetime=timedelta(hours=1))
    assert_problem(refresh(forged), 401, "invalid_credentials")


def test_guessing_is_slowed_down_by_network(settings):
    settings.CRM_THROTTLE_RATES = {**settings.CRM_THROTTLE_RATES, "token": "3/h"}
    answers = [sign_in("wrong").status_code for _ in range(4)]
    assert answers == [401, 401, 401, 429]
    assert refresh("wrong").status_code == 429


def test_changes_are_audited_without_the_secret(secret):
    rotate_secret(name="agent", scopes=[Scope.ADMIN], actor=ACTOR, now=timezone.now())
    assert revoke_accounts(names=["agent", "unknown"], actor="staff:1", now=timezone.now()) == 1
    entries = AuditEntry.objects.filter(target="service_account:agent").order_by("id")
    assert [(entry.action, entry.actor, entry.details) for entry in entries] == [
        ("service_account.created", ACTOR, {"scopes": "crm:read crm:write"}),
        ("service_account.secret_rotated", ACTOR, {"scopes": "crm:admin"}),
        ("service_account.revoked", "staff:1", {}),
    ]


class TestCommand:
    def run(self, capsys, *arguments):
        call_command("create_service_account", *arguments)
        lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines()[:2])
        return lines["secret"]

    def test_it_prints_a_secret_that_works(self, capsys):
        secret = self.run(capsys, "agent", "--scope", "crm:read", "--scope", "crm:write")
        assert sign_in(secret).json()["scope"] == "crm:read crm:write"

    def test_a_name_that_exists_is_refused_or_rotated(self, capsys, secret):
        with pytest.raises(CommandError, match=r"exists already.*--rotate"):
            call_command("create_service_account", "agent", "--scope", "crm:read")
        newer = self.run(capsys, "agent", "--rotate")
        assert sign_in(secret).status_code == 401
        assert sign_in(newer).json()["scope"] == "crm:read crm:write"

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["agent"], "Say what the account may do"),
            (["a b", "--scope", "crm:read"], "A name is"),
            (["agent", "--scope", "crm:all"], "invalid choice"),
            (["agent", "--rotate"], "no service account named agent"),
        ],
    )
    def test_what_is_wrong_is_said(self, arguments, sentence):
        with pytest.raises(CommandError, match=sentence):
            call_command("create_service_account", *arguments)
        assert not ServiceAccount.objects.exists()
