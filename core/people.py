from collections.abc import Iterable, Mapping

from django.contrib.auth.models import User


def actor_names(actors: Iterable[str]) -> Mapping[str, str]:
    """What people call those whom audit rows name `staff:ID` and `service:NAME`; others are not in it. One query, none
    where no staff are among them."""
    named = {actor: actor.partition(":") for actor in set(actors)}
    ids = [int(name) for sort, _, name in named.values() if sort == "staff" and name.isdigit()]
    users = User.objects.in_bulk(ids) if ids else {}
    names = {f"staff:{key}": user.get_full_name() or user.get_username() for key, user in users.items()}
    programs = {actor: f"the program {name}" for actor, (sort, _, name) in named.items() if sort == "service"}
    return names | programs
