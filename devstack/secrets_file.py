"""The secrets of a development installation: made once and kept. Production brings its own."""

import base64
import secrets

from devstack.state import State

NAME = "secrets"


def development_secrets(state: State) -> dict[str, str]:
    """Settings by name. A name that a later version adds is made then; none is ever made anew, because
    stored data can only be read with the key it was written with."""
    kept: dict[str, str] = state.read(NAME) or {}
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        # Fernet's format: 32 random bytes in URL-safe base64.
        "FIELD_ENCRYPTION_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "BLIND_INDEX_KEY": secrets.token_urlsafe(48),
        "LINK_SIGNING_KEYS": secrets.token_urlsafe(48),
        "CRM_DEV_STAFF_PASSWORD": secrets.token_urlsafe(12),
    }
    if made.keys() - kept.keys():
        kept = made | kept
        state.write(NAME, kept)
    return kept
