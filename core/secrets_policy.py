"""What a secret must be before the installation may start. No Django settings are read here."""

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

_KNOWN_WEAK = (
    "changeme",
    "change-me",
    "insecure",
    "secret-key",
    "password",
    "example",
    "replace",
    "default",
    "dev-only",
)
_FERNET_KEY_LIST = "FIELD_ENCRYPTION_KEY"
_HOW_TO_MAKE = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
_HOW_TO_MAKE_FERNET = (
    'python3 -c "import base64, secrets; print(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())"'
)


def require_secret(env: environ.Env, name: str, *, minimum_length: int) -> str:
    """The secret `name` from the environment, without surrounding space.

    Raises ImproperlyConfigured, with a sentence that names it and says how to make one, when it is missing
    or (FIELD_ENCRYPTION_KEY) not a comma-separated list of Fernet keys; in production also when it is short
    or guessable. `minimum_length` counts characters.
    """
    production = env.str("CRM_ENV", default="production") == "production"
    value: str = env.str(name, default="").strip()
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {_remedy(name, production=production)}")
    if name == _FERNET_KEY_LIST:
        value = _fernet_keys(value, remedy=_remedy(name, production=production))
    if production:
        weakness = _weakness(value, minimum_length=minimum_length)
        if weakness:
            raise ImproperlyConfigured(f"{name} {weakness}. {_remedy(name, production=True)}")
    return value


def require_secret_list(env: environ.Env, name: str, *, minimum_length: int) -> list[str]:
    """As `require_secret`, for a comma-separated list; each secret of it must be as good as one."""
    value: str = env.str(name, default="")
    parts = [part.strip() for part in value.split(",") if part.strip()]
    production = env.str("CRM_ENV", default="production") == "production"
    if not parts:
        raise ImproperlyConfigured(f"{name} is not set. {_remedy(name, production=production)}")
    for position, part in enumerate(parts, start=1):
        weakness = _weakness(part, minimum_length=minimum_length) if production else None
        if weakness:
            raise ImproperlyConfigured(
                f"{name}: secret {position} of {len(parts)} {weakness}. {_remedy(name, production=True)}"
            )
    return parts


def _remedy(name: str, *, production: bool) -> str:
    if not production:
        return "In development start with `python3 run.py`, which makes and keeps the secrets."
    command = _HOW_TO_MAKE_FERNET if name == _FERNET_KEY_LIST else _HOW_TO_MAKE
    return f"Make one with: {command}"


def _fernet_keys(value: str, *, remedy: str) -> str:
    keys = [key.strip() for key in value.split(",") if key.strip()]
    for position, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            # Not chained: the error of the library may quote the key.
            raise ImproperlyConfigured(
                f"{_FERNET_KEY_LIST}: key {position} of {len(keys)} is not a Fernet key "
                f"(32 bytes in URL-safe base64). {remedy}"
            ) from None
    if not keys:
        raise ImproperlyConfigured(f"{_FERNET_KEY_LIST} holds no key. {remedy}")
    return ",".join(keys)


def _weakness(value: str, *, minimum_length: int) -> str | None:
    if len(value) < minimum_length:
        return f"is too short: it has {len(value)} characters and needs {minimum_length}"
    if len(set(value)) < 10:
        return "repeats very few characters and can be guessed"
    lowered = value.lower()
    if any(word in lowered for word in _KNOWN_WEAK):
        return "looks like a placeholder that was never replaced"
    return None
