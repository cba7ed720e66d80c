"""Health, schema and documentation: open to everybody, and what they may show."""

import re

import pytest
import yaml
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders

from core.tests.api.callers import assert_problem, nobody, service
from core.tests.outages import database_away


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/api/crm/health", "/api/crm/health/ready"])
def test_health_names_every_part(path):
    response = nobody().get(path)
    body = response.json()
    assert response.status_code == 200
    assert body["status"] in {"healthy", "degraded"}
    assert {"database", "broker", "cache", "worker", "scheduler"} <= set(body["components"])
    assert body["components"]["database"] == {"status": "healthy", "detail": "Answers."}
    assert response["Cache-Control"] == "no-store"


@pytest.fixture
def no_database(transactional_db):
    with database_away():
        yield


@pytest.mark.parametrize(
    ("path", "broker", "status"),
    [
        pytest.param("/api/crm/health", "", 503, id="health"),
        pytest.param("/api/crm/health/ready", "", 200, id="requests are spooled"),
        pytest.param("/api/crm/health/ready", "unix:///nowhere.sock", 503, id="no spool"),
        pytest.param("/api/crm/health/ready", "amqp://nowhere//", 503, id="no streams"),
    ],
)
def test_without_the_database_health_says_so(no_database, settings, path, broker, status):
    settings.BROKER_URL = broker or settings.BROKER_URL
    response = nobody().get(path)
    assert response.status_code == status
    assert response.json()["status"] == "unhealthy"
    assert response.json()["components"]["database"]["status"] == "unhealthy"
    assert response.json()["components"]["cache"]["status"] == "healthy"
    assert "nowhere" not in response.text


def test_without_the_database_callers_are_told_when_to_come_back(no_database):
    response = service().get("/api/crm/communications")
    assert_problem(response, 503, "database_unavailable")
    assert int(response["Retry-After"]) > 0
    assert "nowhere" not in response.text


def test_live_asks_nobody():
    # No django_db mark: touching the database would fail.
    response = nobody().get("/api/crm/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "healthy"})


def test_health_is_not_throttled():
    assert "X-RateLimit-Limit" not in nobody().get("/api/crm/health/live")


def test_the_schema_is_openapi_3_1():
    response = nobody().get("/api/crm/schema")
    schema = yaml.safe_load(response.content)
    assert schema["openapi"].startswith("3.1")
    assert "/api/crm/token" in schema["paths"]
    assert set(schema["components"]["securitySchemes"]) >= {"serviceToken", "staffSession"}


def test_the_documentation_works_under_its_policy():
    page = nobody().get("/api/crm/docs/")
    policy = page["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert "unsafe-eval" not in policy
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    assert scripts
    assert all("src=" in attributes and not body.strip() for attributes, body in scripts)
    for path in re.findall(r'(?:src|href)="/static/([^"]+)"', page.text):
        assert finders.find(path), path
    script = nobody().get("/api/crm/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")
    assert "/api/crm/schema" in script.text


def test_the_start_page_leads_to_the_login():
    response = nobody().client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/login/?next=/")


@pytest.mark.django_db
def test_the_admin_carries_the_companys_name(settings):
    browser = nobody().client
    browser.force_login(User.objects.create_superuser("root"))
    page = browser.get("/admin/")
    assert settings.CRM_COMPANY_NAME in page.text
    assert finders.find("core/admin.css")
