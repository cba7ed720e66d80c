import pytest
from django.core.management import call_command
from django.db import connection, transaction


def triggers() -> set[str]:
    with connection.cursor() as sql:
        sql.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'crm_audit_log'::regclass AND NOT tgisinternal"
        )
        return {row[0] for row in sql.fetchall()}


@pytest.mark.django_db
def test_the_append_only_guard_can_be_taken_back_and_made_again():
    guards = {"crm_audit_log_append_only", "crm_audit_log_no_truncate"}
    assert triggers() == guards
    with transaction.atomic():
        call_command("migrate", "core", "0001", verbosity=0, skip_checks=True)
        assert triggers() == set()
        call_command("migrate", "core", verbosity=0, skip_checks=True)
        assert triggers() == guards


@pytest.mark.django_db
def test_models_are_migrated_and_need_no_extension_that_the_embedded_server_lacks():
    call_command("makemigrations", "core", check=True, dry_run=True, verbosity=0, skip_checks=True)
    with connection.cursor() as sql:
        sql.execute("SELECT extname FROM pg_extension")
        assert not {row[0] for row in sql.fetchall()} & {"pgcrypto", "uuid-ossp"}
