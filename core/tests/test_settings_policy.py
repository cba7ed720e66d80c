"""OPS: a setting that cannot hold stops the start with a sentence that names it."""

import os
import runpy
from pathlib import Path

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from core.api.rates import Rate
from core.errors import CrmError
from core.settings_policy import alert_urls, checked, parse_currency, parse_region, public_url, require_sender

ROOT = Path(__file__).resolve().parents[2]
STRONG = "q7Zt1xW0mVn4Rk8Ls2Yb6Hc9Jd3Fg5Pa-UeTiOoXzQ"
PRODUCTION = {
    "CRM_ENV": "production",
    "CRM_PUBLIC_URL": "https://crm.planiva.test",
    "SECRET_KEY": STRONG,
    "BLIND_INDEX_KEY": STRONG,
    "LINK_SIGNING_KEYS": STRONG,
    "FIELD_ENCRYPTION_KEY": "FPdkUvD56vcbfp-wzDHkGPHVHuLAlOC6LLbHM-sAp5c=",
}


@pytest.fixture
def start(monkeypatch):
    """Reads the settings as a start does, with this environment only."""

    def read(**settings):
        names = {name: value for name, value in (PRODUCTION | settings).items() if value is not None}
        monkeypatch.setattr(os, "environ", names)
        monkeypatch.setattr(environ.Env, "ENVIRON", names)
        return runpy.run_path(str(ROOT / "crm_project" / "settings.py"))

    return read


def test_a_production_start_with_everything_set(start):
    settings = start()
    assert settings["SECURE_HSTS_SECONDS"] == 31_536_000
    assert settings["SECURE_HSTS_PRELOAD"] is settings["SECURE_HSTS_INCLUDE_SUBDOMAINS"] is False


def test_hosts_below_are_bound_only_on_request(start):
    settings = start(CRM_HSTS_SUBDOMAINS="true")
    assert settings["SECURE_HSTS_PRELOAD"] is settings["SECURE_HSTS_INCLUDE_SUBDOMAINS"] is True
    assert settings["SILENCED_SYSTEM_CHECKS"] == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"CRM_PUBLIC_URL": None}, ["CRM_PUBLIC_URL is not set."]),
        ({"CRM_PUBLIC_URL": "http://crm.planiva.test"}, ["CRM_PUBLIC_URL is", "https://"]),
        ({"CRM_DEFAULT_TIMEZONE": "Asia/Nowhere"}, ["CRM_DEFAULT_TIMEZONE is 'Asia/Nowhere'", "tz database"]),
        ({"CRM_DEFAULT_REGION": "india"}, ["CRM_DEFAULT_REGION", "'india'"]),
        ({"CRM_DEFAULT_CURRENCY": "rupees"}, ["CRM_DEFAULT_CURRENCY", "'rupees'"]),
        ({"ADMIN_ALERT_URLS": "nonsense"}, ["ADMIN_ALERT_URLS: address 1 of 1", "appriseit.com"]),
        (
            {"ADMIN_ALERT_URLS": "json://ops.example.com, pigeon://secret@loft"},
            ["ADMIN_ALERT_URLS: address 2 of 2"],
        ),
        ({"CRM_DAILY_CAP": "0"}, ["CRM_DAILY_CAP is '0'", "at least 1", "empty for no cap"]),
        ({"CRM_DAILY_CAP": "three"}, ["CRM_DAILY_CAP is 'three'", "at least 1"]),
        ({"CRM_CONTACT_HOURS": "nine to five"}, ["CRM_CONTACT_HOURS is 'nine to five'", "09:00-21:00"]),
        ({"CRM_CONTACT_HOURS": "22:00-07:00"}, ["CRM_CONTACT_HOURS", "of one day"]),
        ({"CRM_CONTACT_HOURS": "10:00-10:00"}, ["CRM_CONTACT_HOURS", "must differ"]),
        ({"CRM_DIGEST_SLOT": "25:00"}, ["CRM_DIGEST_SLOT is '25:00'", "as 10:00"]),
        ({"CRM_DIGEST_SLOT": "08:30"}, ["CRM_DIGEST_SLOT", "outside the contact hours 09:00–21:00"]),
        ({"CRM_SEND_RATE": "often"}, ["CRM_SEND_RATE", "'often' is not a rate"]),
        ({"CRM_READ_RATE": "0/min"}, ["CRM_READ_RATE"]),
        ({"CRM_SERVICE_SEND_RATE": "6000"}, ["CRM_SERVICE_SEND_RATE"]),
        ({"CRM_SERVICE_READ_RATE": ""}, ["CRM_SERVICE_READ_RATE"]),
        ({"CRM_TOKEN_RATE": "3/week"}, ["CRM_TOKEN_RATE"]),
        ({"SMTP_HOST": "smtp.planiva.test"}, ["SMTP_HOST is set and SMTP_FROM_EMAIL is not"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_start_is_refused_and_names_the_setting(start, settings, words):
    with pytest.raises(ImproperlyConfigured) as refusal:
        start(**settings)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    "value", ["https://crm.example.com", "https://crm.example.com/", "https://[::1]:8443"]
)
def test_a_public_url_is_scheme_and_host(value):
    assert public_url(value, production=True) == value.rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        "crm.example.com",
        "//crm.example.com",
        "https://",
        "ftp://crm.example.com",
        "https://crm.example.com/crm",
        "https://crm.example.com?a=1",
        "https://someone@crm.example.com",
    ],
)
@pytest.mark.parametrize("production", [True, False])
def test_anything_else_is_not(value, production):
    with pytest.raises(ImproperlyConfigured, match="CRM_PUBLIC_URL is"):
        public_url(value, production=production)


def test_development_may_leave_the_public_url_out_and_use_http():
    assert public_url("", production=False) == "http://localhost:8000"
    assert public_url("http://127.0.0.1:8000", production=False) == "http://127.0.0.1:8000"


def test_a_sentence_of_ours_is_passed_on():
    def refuse(_value):
        raise CrmError("Write it otherwise.")

    with pytest.raises(ImproperlyConfigured, match=r"^CRM_X is 'y'\. Write it otherwise\.$"):
        checked("CRM_X", "y", refuse)
    assert checked("CRM_X", "10/s", Rate.parse) == "10/s"


@pytest.mark.parametrize("code", ["IN", "US", "IT"])
def test_known_regions(code):
    assert parse_region(code) == code


@pytest.mark.parametrize("code", ["", "in", "XX", "001", "IND"])
def test_unknown_regions(code):
    with pytest.raises(ValueError, match="no country"):
        parse_region(code)


@pytest.mark.parametrize("code", ["", "inr", "RS", "INR ", "RUPEE"])
def test_what_is_no_currency(code):
    with pytest.raises(ValueError, match="not a currency"):
        parse_currency(code)


def test_a_mail_server_and_a_sender_come_together():
    require_sender(host="", from_email="")
    require_sender(host="smtp.example.com", from_email="a@example.com")
    with pytest.raises(ImproperlyConfigured, match="SMTP_FROM_EMAIL is set and SMTP_HOST is not"):
        require_sender(host="", from_email="a@example.com")


def test_a_wrong_address_for_alerts_is_not_repeated(start, caplog):
    """It may hold a password, also in what the library says of it."""
    with pytest.raises(ImproperlyConfigured) as caught:
        start(ADMIN_ALERT_URLS="pigeon://hunter2@loft")
    assert "hunter2" not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (" , ", []),
        ("json://a.example", ["json://a.example"]),
        ("json://a.example json://b.example", ["json://a.example", "json://b.example"]),
        (
            "mailtos://u:p@example.com?to=a@example.com,b@example.com, json://b.example\n",
            ["mailtos://u:p@example.com?to=a@example.com,b@example.com", "json://b.example"],
        ),
    ],
)
def test_addresses_for_alerts(value, expected):
    assert alert_urls(value) == expected


@pytest.mark.parametrize("value", ["0", "-5", "2.5", "two minutes", ""])
def test_a_lease_that_is_no_time_stops_the_start(start, value):
    with pytest.raises(
        ImproperlyConfigured, match=r"CRM_LEASE_SECONDS is .*; write a whole number of seconds"
    ):
        start(**PRODUCTION, CRM_LEASE_SECONDS=value)
