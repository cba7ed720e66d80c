"""Staff in front of a browser: Django's client, with the groups that the migrations made."""

import re
import uuid

from django.contrib.auth.models import Group, User
from django.test import Client


def staff_in(role, **attributes):
    """A browser in which a new member of staff with this role is signed in; `.user` is theirs."""
    user = User.objects.create_user(f"{role}-{uuid.uuid4().hex[:8]}", is_staff=True, **attributes)
    user.groups.add(Group.objects.get(name=role))
    browser = Client(raise_request_exception=False)
    browser.force_login(user)
    browser.user = user
    return browser


def text_of(response):
    """What a reader sees of the page, in one line."""
    without_tags = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", without_tags)
