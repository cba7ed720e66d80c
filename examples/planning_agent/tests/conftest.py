from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from examples.planning_agent.tests.crm_server import Behaviour, CrmServer


@pytest.fixture
def crm_that() -> Iterator[Callable[[Behaviour], CrmServer]]:
    """Starts a CRM of that behaviour."""
    with ExitStack() as running:
        yield lambda behaviour: running.enter_context(CrmServer(behaviour).running())
