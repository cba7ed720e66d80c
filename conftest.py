"""What all tests share."""

import os

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

# Tests that commit are followed by TRUNCATE of every table, which append-only tables refuse.
_LET_TRUNCATE = """
DO $$
DECLARE found record;
BEGIN
    FOR found IN SELECT tgrelid::regclass AS of_table, tgname FROM pg_trigger
        WHERE NOT tgisinternal AND tgtype & 32 = 32 AND tgenabled <> 'D'
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', found.of_table, found.tgname);
    END LOOP;
END
$$
"""


def pytest_configure(config: pytest.Config) -> None:
    # Collected static files exist in production only; tests and development use the finders.
    config.addinivalue_line("filterwarnings", "ignore:No directory at:UserWarning")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`CRM_TEST_REPEAT=100` runs every chosen test so often: for races."""
    if (times := int(os.environ.get("CRM_TEST_REPEAT", "1"))) > 1:
        metafunc.fixturenames.append("run_number")
        metafunc.parametrize("run_number", range(times))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:  # noqa: ARG001 - pytest passes the fixture that this one extends
    with django_db_blocker.unblock(), connection.cursor() as sql:
        sql.execute(_LET_TRUNCATE)
