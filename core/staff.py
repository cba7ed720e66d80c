"""Who members of staff are, for people who read what was done."""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import User


def staff_names(actors: Iterable[str]) -> Mapping[str, str]:
    """The names behind actors like staff:7, by the actor. One query at most; others are left out."""
    references = (each.partition(":") for each in actors)
    ids = {int(key) for sort, _, key in references if sort == "staff" and key.isdigit()}
    if not ids:
        return {}
    users = User.objects.filter(id__in=ids)
    return {f"staff:{user.pk}": user.get_full_name() or user.get_username() for user in users}
