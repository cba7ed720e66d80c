import pytest

from communications.models.template import TemplateVersion
from communications.services.templates import load_builtin_templates, versions_for
from communications.tests.templates.examples import NOW
from core.choices import Channel


@pytest.fixture
def builtin(db: None) -> dict[str, TemplateVersion]:
    """The built-in templates as they are in use, by name."""
    load_builtin_templates(now=NOW)
    versions = versions_for(["welcome", "generic"], Channel.EMAIL).values()
    return {version.template.name: version for version in versions if version is not None}
