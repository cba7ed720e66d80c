"""The JWTs of service accounts: made and read here, without the database."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from rest_framework_simplejwt.exceptions import ExpiredTokenError
from rest_framework_simplejwt.exceptions import TokenError as JwtError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from core.scopes import Scope


class TokenError(Exception):
    """The text given is no token of ours, or no longer one; `expired` tells which."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "not one of ours")
        self.expired = expired


@dataclass(frozen=True)
class Claims:
    """`generation` is None in access tokens: they are not compared with the account."""

    account_name: str
    scopes: frozenset[Scope]
    generation: int | None = None


def issue_access_token(claims: Claims, *, lifetime: timedelta | None = None) -> str:
    """`lifetime` None takes `CRM_ACCESS_TOKEN_MINUTES`."""
    token = AccessToken()
    if lifetime is not None:
        token.set_exp(lifetime=lifetime)
    return _written(token, claims)


def issue_refresh_token(claims: Claims) -> str:
    return _written(RefreshToken(), claims)


def read_access_token(raw: str) -> Claims:
    """Raises TokenError. A caller sends one token for half an hour: its signature is checked once by each process, its
    end every time."""
    claims, ends_at = _read_once(raw)
    if ends_at <= time.time():
        raise TokenError(expired=True)
    return claims


@lru_cache(maxsize=1024)
def _read_once(raw: str) -> tuple[Claims, float]:
    """With the Unix time at which it ends. What is no token is looked at each time."""
    return _read(AccessToken, raw)


def read_refresh_token(raw: str) -> Claims:
    """Raises TokenError."""
    claims, _ = _read(RefreshToken, raw)
    return claims


def join_scopes(scopes: Iterable[Scope]) -> str:
    """As RFC 6749 §3.3 writes them: sorted here, separated by spaces."""
    return " ".join(sorted(scopes))


def _written(token: Token, claims: Claims) -> str:
    token["sub"] = claims.account_name
    token["scope"] = join_scopes(claims.scopes)
    if claims.generation is not None:
        token["generation"] = claims.generation
    return str(token)


def _read(kind: type[Token], raw: str) -> tuple[Claims, float]:
    try:
        payload = kind(raw).payload  # type: ignore[arg-type]  # annotated as Token, documented as the encoded text
    except ExpiredTokenError as error:
        raise TokenError(expired=True) from error
    except JwtError as error:
        raise TokenError(expired=False) from error
    name, scope, generation = payload.get("sub"), payload.get("scope"), payload.get("generation")
    if not isinstance(name, str) or not isinstance(scope, str) or not isinstance(generation, int | None):
        raise TokenError(expired=False)
    known = frozenset(Scope(word) for word in scope.split() if word in set(Scope))
    return Claims(account_name=name, scopes=known, generation=generation), float(payload["exp"])
