import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client


def somebody(*codenames):
    """A browser in which a member of staff with these permissions is signed in."""
    user = User.objects.create_user(f"staff-{User.objects.count()}", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def reader(db):
    return somebody("view_communication", "view_content")


@pytest.fixture
def analyst(db):
    """May see that messages went, not what they said."""
    return somebody("view_communication")


@pytest.fixture
def ready(smtp, templates):
    """An installation that can send: SMTP catcher and the built-in templates."""
