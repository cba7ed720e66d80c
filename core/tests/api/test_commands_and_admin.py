import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from core.models import AuditEntry, ServiceAccount
from core.scopes import Scope
from core.service_tokens import read_access_token
from core.tests.api.callers import ApiCaller, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def password(monkeypatch):
    monkeypatch.setenv("CRM_DEV_STAFF_PASSWORD", "a quiet place")
    return "a quiet place"


def bootstrap(capsys):
    call_command("bootstrap_development", "--json")
    return json.loads(capsys.readouterr().out)


class TestBootstrap:
    def test_it_gives_everything_that_a_demo_needs(self, capsys, password):
        ready = bootstrap(capsys)
        assert set(ready) == {"username", "password", "token"}
        claims = read_access_token(ready["token"])
        assert (claims.account_name, claims.scopes) == ("planning-agent", frozenset(Scope))
        caller = ApiCaller(Authorization=f"Bearer {ready['token']}")
        assert caller.get("/api/crm/message-types").status_code == 200
        assert caller.client.login(username=ready["username"], password=ready["password"])
        assert caller.client.get("/admin/").status_code == 200

    def test_again_changes_nothing(self, capsys, password):
        bootstrap(capsys)
        before = list(ServiceAccount.objects.values()), list(User.objects.values())
        bootstrap(capsys)
        assert (list(ServiceAccount.objects.values()), list(User.objects.values())) == before

    def test_it_mends_what_was_changed(self, capsys, password):
        bootstrap(capsys)
        ServiceAccount.objects.update(is_active=False)
        User.objects.update(is_active=False, password="!")
        bootstrap(capsys)
        assert ServiceAccount.objects.get().is_active
        assert User.objects.get().check_password(password)

    def test_only_in_development(self, settings, password):
        settings.DEVELOPMENT = False
        with pytest.raises(CommandError, match="only with CRM_ENV=development"):
            call_command("bootstrap_development", "--json")
        assert not User.objects.exists()

    def test_only_with_a_password(self, monkeypatch):
        monkeypatch.delenv("CRM_DEV_STAFF_PASSWORD", raising=False)
        with pytest.raises(CommandError, match="CRM_DEV_STAFF_PASSWORD"):
            call_command("bootstrap_development")


class TestAdmin:
    @pytest.fixture
    def account(self):
        call_command("create_service_account", "agent", "--scope", "crm:read")
        return ServiceAccount.objects.get()

    def test_the_hash_of_the_secret_is_not_shown(self, account):
        page = staff(superuser=True).client.get(f"/admin/core/serviceaccount/{account.pk}/change/")
        assert page.status_code == 200
        assert account.secret not in page.text
        assert "crm:read" in page.text

    def test_revoking_is_audited(self, account):
        person = staff(superuser=True)
        form = {"action": "revoke_selected", "_selected_action": [account.pk]}
        answer = person.client.post("/admin/core/serviceaccount/", form, follow=True)
        assert "1 revoked." in answer.text
        account.refresh_from_db()
        assert (account.is_active, account.generation) == (False, 2)
        entry = AuditEntry.objects.get(action="service_account.revoked")
        assert entry.actor == f"staff:{person.client.session['_auth_user_id']}"

    def test_who_may_only_look_cannot_revoke(self, account):
        form = {"action": "revoke_selected", "_selected_action": [account.pk]}
        staff("core.view_serviceaccount").client.post("/admin/core/serviceaccount/", form)
        account.refresh_from_db()
        assert account.is_active
