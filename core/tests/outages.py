"""A database that cannot be reached, for one test process."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections


@contextmanager
def database_away() -> Iterator[None]:
    """New connections lead nowhere inside the block. Only for tests that commit."""
    with pytest.MonkeyPatch.context() as patch:
        connection.close()
        patch.setitem(connection.settings_dict, "OPTIONS", {"host": "/nowhere"})
        patch.setitem(connections.settings["default"], "OPTIONS", {"host": "/nowhere"})
        yield
    connection.close()
