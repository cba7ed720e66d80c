import pytest

from communications.models.template import TemplateVersion
from communications.services.templates import load_builtin_templates
from communications.tests.templates.examples import NOW


@pytest.fixture
def builtin(db: None) -> dict[str, TemplateVersion]:
    """The built-in templates as they are in use, by name."""
    return {loaded.name: loaded.version for loaded in load_builtin_templates(now=NOW)}
