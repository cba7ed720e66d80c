"""OPS: in production a missing or weak secret stops the start with a sentence that names it."""

import environ
import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from core.secrets_policy import require_secret

STRONG = "q7Zt1xW0mVn4Rk8Ls2Yb6Hc9Jd3Fg5Pa-UeTiOoXzQ"


def secret(name: str, value: str | None, *, mode: str | None = "production", minimum_length: int = 40) -> str:
    env = environ.Env()
    env.ENVIRON = {"CRM_ENV": mode} if mode else {}
    if value is not None:
        env.ENVIRON[name] = value
    return require_secret(env, name, minimum_length=minimum_length)


def test_a_strong_secret_is_returned():
    assert secret("SECRET_KEY", f" {STRONG} ") == STRONG


@pytest.mark.parametrize(
    ("value", "because"),
    [
        pytest.param(None, "is not set", id="missing"),
        pytest.param("   ", "is not set", id="blank"),
        pytest.param("q7Zt1xW0mVn4Rk8Ls", "too short", id="short"),
        pytest.param("a" * 64, "can be guessed", id="one character"),
        pytest.param("changeme-changeme-q7Zt1xW0mVn4Rk8Ls2Yb6Hc9Jd3", "placeholder", id="placeholder"),
        pytest.param("django-insecure-q7Zt1xW0mVn4Rk8Ls2Yb6Hc9Jd3", "placeholder", id="django's own"),
    ],
)
@pytest.mark.parametrize("mode", ["production", None])
def test_production_refuses_and_says_how_to_make_one(value, because, mode):
    with pytest.raises(ImproperlyConfigured, match=because) as refusal:
        secret("BLIND_INDEX_KEY", value, mode=mode)
    assert "BLIND_INDEX_KEY" in str(refusal.value)
    assert "Make one with: python3 -c" in str(refusal.value)


def test_development_points_at_run_py():
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY is not set.*python3 run\.py"):
        secret("SECRET_KEY", None, mode="development")


def test_development_takes_a_weak_secret():
    assert secret("SECRET_KEY", "dev-only", mode="development") == "dev-only"


def test_field_encryption_key_is_a_list_of_fernet_keys():
    first, second = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    assert secret("FIELD_ENCRYPTION_KEY", f"{first}, {second},") == f"{first},{second}"


@pytest.mark.parametrize("mode", ["production", "development"])
def test_a_broken_fernet_key_is_named_by_position_and_not_shown(mode):
    broken = STRONG
    with pytest.raises(ImproperlyConfigured, match="key 2 of 2") as refusal:
        secret("FIELD_ENCRYPTION_KEY", f"{Fernet.generate_key().decode()},{broken}", mode=mode)
    assert broken not in str(refusal.value)


def test_a_list_of_commas_holds_no_key():
    with pytest.raises(ImproperlyConfigured, match="holds no key"):
        secret("FIELD_ENCRYPTION_KEY", ",,")
