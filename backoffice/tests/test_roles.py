"""The matrix of roles, from the outside: pages, admin and API ask the same permissions (SEC-7)."""

import json

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import DEFAULT_DB_ALIAS
from django.test import Client

from backoffice.roles import ROLES, write_roles
from backoffice.tests.browsers import staff_in, text_of
from communications.choices import Status
from communications.tests.factories import a_communication, lead_to
from core import attention, clock

pytestmark = pytest.mark.django_db

ALL = set(ROLES)
WORKING = {"administrator", "manager", "agent"}


@pytest.fixture
def row(ready):
    return a_communication()


@pytest.mark.parametrize("role", sorted(ALL))
class TestWhoMayDoWhat:
    def test_everybody_sees_the_pages(self, role, row):
        browser = staff_in(role)
        for path in (
            "/",
            "/clients/",
            f"/clients/{row.client_id}/",
            "/history/",
            f"/communications/{row.id}/",
        ):
            assert browser.get(path).status_code == 200, path

    def test_contents_are_shown_in_pages_and_api_alike(self, role, row):
        browser = staff_in(role)
        subject = "your wedding plan"
        shown = role != "analyst"
        for path in (f"/clients/{row.client_id}/", f"/communications/{row.id}/", "/history/"):
            assert (subject in text_of(browser.get(path))) is shown, path
        assert browser.get(f"/communications/{row.id}/preview/").status_code == (200 if shown else 403)
        for path in ("/api/crm/communications", f"/api/crm/communications/{row.id}"):
            assert browser.get(path).status_code == (200 if shown else 403), path

    def test_sending_and_resolving(self, role, row):
        browser = staff_in(role)
        item = attention.raise_item(
            kind="in_doubt", dedupe_key="1", target="x:1", details={}, now=clock.now()
        )
        may = role in WORKING
        answer = browser.post("/api/crm/communications", json.dumps({}), content_type="application/json")
        assert answer.status_code == (422 if may else 403)
        assert ("resolve_selected" in browser.get("/admin/core/attentionitem/").content.decode()) is may
        assert browser.post(f"/attention/{item.id}/resolve/").status_code == (302 if may else 403)
        item.refresh_from_db()
        assert (item.resolved_at is not None) is may

    @pytest.mark.parametrize("action", ["cancel", "resend", "retry"])
    def test_acting_on_a_communication(self, role, action, row):
        """Cancel, resend and retry in pages and API alike, as sending."""
        lead_to(row, Status.SCHEDULED if action == "cancel" else Status.FAILED)
        browser, may = staff_in(role), role in WORKING
        page = browser.get(f"/communications/{row.id}/").content.decode()
        assert (f'action="/communications/{row.id}/{action}/"' in page) is (may and action != "resend")
        assert browser.post(
            f"/api/crm/communications/{row.id}/{action}", {}, content_type="application/json"
        ).status_code in ({200, 202} if may else {403})
        assert browser.post(f"/communications/{row.id}/{action}/").status_code == (302 if may else 403)

    def test_revealing(self, role, row):
        browser = staff_in(role)
        path = f"/clients/{row.client_id}/reveal/"
        without = browser.post(path, {"kind": "email"})
        with_reason = browser.post(path, {"kind": "email", "reason": "complaint"})
        seen = ["priya." in text_of(answer) for answer in (without, with_reason)]
        expected = {"analyst": [False, False], "auditor": [False, True]}.get(role, [True, True])
        assert seen == expected

    @pytest.mark.parametrize(
        ("table", "who"),
        [
            ("communications/communication", ALL),
            ("clients/contactpoint", ALL),
            ("preferences/clientpreferences", ALL),
            ("communications/template", ALL),
            ("core/auditentry", {"administrator", "auditor"}),
            ("auth/user", {"administrator"}),
            ("core/serviceaccount", {"administrator"}),
            ("core/outboxevent", {"administrator"}),
        ],
    )
    def test_the_admin(self, role, table, who, row):
        answer = staff_in(role).get(f"/admin/{table}/")
        assert answer.status_code == (200 if role in who else 403)
        assert "priya." not in answer.content.decode()


class TestAccounts:
    """Who keeps the accounts gives roles, and cannot rise above them or get at those who stand above."""

    def form(self, user, **changes):
        return {
            "username": user.username,
            "is_active": "on",
            "is_staff": "on",
            "groups": [group.pk for group in user.groups.all()],
            "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00:00",
        } | changes

    def post(self, browser, user, **changes):
        answer = browser.post(f"/admin/auth/user/{user.pk}/change/", self.form(user, **changes))
        user.refresh_from_db()
        return answer.status_code

    def test_an_administrator_cannot_rise(self):
        browser = staff_in("administrator")
        everything = [permission.pk for permission in Permission.objects.all()]
        assert self.post(browser, browser.user, is_superuser="on", user_permissions=everything) == 302
        assert not browser.user.is_superuser
        assert not browser.user.user_permissions.exists()
        body = browser.get(f"/admin/auth/user/{browser.user.pk}/change/").content.decode()
        assert 'name="groups"' in body
        assert 'name="is_superuser"' not in body
        assert 'name="user_permissions"' not in body

    def test_an_administrator_gives_roles_and_no_other_groups(self):
        browser, colleague = staff_in("administrator"), staff_in("agent").user
        florists = Group.objects.create(name="florists")
        florists.permissions.set(Permission.objects.all())
        manager = Group.objects.get(name="manager")
        assert self.post(browser, colleague, groups=[manager.pk]) == 302
        assert list(colleague.groups.all()) == [manager]
        assert self.post(browser, colleague, groups=[florists.pk]) == 200
        assert list(colleague.groups.all()) == [manager]
        # One that a superuser gave is kept.
        colleague.groups.add(florists)
        assert self.post(browser, colleague, first_name="Asha") == 302
        assert set(colleague.groups.all()) == {manager, florists}

    def test_a_superuser_is_out_of_reach(self):
        browser, root = staff_in("administrator"), User.objects.create_superuser("root", password="as before")
        assert self.post(browser, root, is_active="", username="nobody") == 403
        answer = browser.post(
            f"/admin/auth/user/{root.pk}/password/",
            {"password1": "a quiet place in Pune", "password2": "a quiet place in Pune"},
        )
        assert answer.status_code == 403
        assert browser.post(f"/admin/auth/user/{root.pk}/delete/", {"post": "yes"}).status_code == 403
        root.refresh_from_db()
        assert root.check_password("as before")

    def test_a_new_account_begins_with_nothing(self):
        browser = staff_in("administrator")
        form = {
            "username": "newcomer",
            "usable_password": "true",
            "password1": "a quiet place in Pune",
            "password2": "a quiet place in Pune",
        }
        assert browser.post("/admin/auth/user/add/", form | {"is_superuser": "on"}).status_code == 302
        newcomer = User.objects.get(username="newcomer")
        assert not newcomer.is_superuser
        assert not newcomer.is_staff

    def test_a_superuser_may_make_another(self):
        browser, colleague = Client(), staff_in("agent").user
        browser.force_login(User.objects.create_superuser("root"))
        assert self.post(browser, colleague, is_superuser="on") == 302
        assert colleague.is_superuser

    def test_groups_cannot_be_changed_by_hand(self):
        browser, group = staff_in("administrator"), Group.objects.get(name="agent")
        everything = [permission.pk for permission in Permission.objects.all()]
        path = f"/admin/auth/group/{group.pk}/change/"
        assert browser.post(path, {"name": "agent", "permissions": everything}).status_code == 403


class TestGroups:
    def test_every_permission_of_the_table_exists(self):
        for role, permissions in ROLES.items():
            group = Group.objects.get(name=role)
            given = {
                f"{app}.{code}"
                for app, code in group.permissions.values_list("content_type__app_label", "codename")
            }
            assert given == permissions

    def test_what_was_changed_by_hand_is_written_anew_and_other_groups_stay(self):
        Group.objects.get(name="analyst").permissions.set(Permission.objects.all())
        florists = Group.objects.create(name="florists")
        florists.permissions.add(Permission.objects.first())
        write_roles(apps=apps, using=DEFAULT_DB_ALIAS)
        assert Group.objects.get(name="analyst").permissions.count() == len(ROLES["analyst"])
        assert florists.permissions.count() == 1

    def test_a_database_without_accounts_is_left_alone(self):
        class NoApps:
            @staticmethod
            def get_model(*_):
                raise LookupError

        write_roles(apps=NoApps, using=DEFAULT_DB_ALIAS)


def test_a_role_without_being_staff_opens_nothing(ready):
    browser = staff_in("manager")
    User.objects.filter(pk=browser.user.pk).update(is_staff=False)
    for path in ("/", "/clients/", "/history/"):
        assert browser.get(path).status_code == 403, path
    assert browser.get("/api/crm/communications").status_code == 401
    assert Client().get("/").status_code == 302
