"""Part of a name is found through an index, in the form in which Django asks."""

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from clients.models import Client

INDEX = "client_name_search_idx"


def indexes_of_clients() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, Client._meta.db_table))


@pytest.mark.django_db
def test_the_index_serves_icontains() -> None:
    with connection.cursor() as cursor:
        # The table is too small for any planner to prefer an index by itself.
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert INDEX in Client.objects.filter(name__icontains="harma").explain()


@pytest.mark.django_db
def test_it_can_be_taken_back_and_made_again() -> None:
    with transaction.atomic():
        call_command("migrate", "clients", "0001", verbosity=0, skip_checks=True)
        assert INDEX not in indexes_of_clients()
        call_command("migrate", "clients", verbosity=0, skip_checks=True)
        assert INDEX in indexes_of_clients()
