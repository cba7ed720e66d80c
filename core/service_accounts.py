"""Making, proving and revoking service accounts. Every change is audited; sign-ins set `last_used_at`."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction

from core import audit
from core.errors import Conflict, CrmError, FieldProblem, Invalid, NotFound
from core.models import ServiceAccount
from core.scopes import Scope
from core.service_tokens import (
    Claims,
    TokenError,
    issue_access_token,
    issue_refresh_token,
    join_scopes,
    read_refresh_token,
)

_SECRET_BYTES = 32


class CredentialsError(CrmError):
    """Name, secret or refresh token do not prove an active account. Never says which of them is wrong."""


@dataclass(frozen=True)
class IssuedTokens:
    """`refresh` is None where only an access token was asked for. `expires_in` counts seconds."""

    access: str
    refresh: str | None
    expires_in: int
    scope: str


def create_account(*, name: str, scopes: Collection[Scope], actor: str, now: datetime) -> str:
    """The secret of the new account; it is not stored and cannot be shown again. Raises Conflict."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    try:
        with transaction.atomic():
            ServiceAccount.objects.create(
                name=name, secret=make_password(secret), scopes=sorted(scopes), created_at=now
            )
            _audit("created", name, actor, now, scopes=scopes)
    except IntegrityError as error:
        raise Conflict(
            code="name_taken",
            detail=f"The service account {name} exists already. Choose another name or rotate its secret.",
        ) from error
    return secret


@transaction.atomic
def rotate_secret(*, name: str, scopes: Collection[Scope], actor: str, now: datetime) -> str:
    """A new secret; the old one and all refresh tokens end. No scopes given: the account keeps its own.

    An account that was revoked becomes active again. Raises NotFound.
    """
    account = ServiceAccount.objects.select_for_update().filter(name=name).first()
    if account is None:
        raise NotFound(code="service_account_not_found", detail=f"There is no service account named {name}.")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    account.secret = make_password(secret)
    account.generation += 1
    account.is_active = True
    if scopes:
        account.scopes = sorted(scopes)
    account.save(update_fields=["secret", "generation", "is_active", "scopes"])
    _audit("secret_rotated", name, actor, now, scopes=[Scope(scope) for scope in account.scopes])
    return secret


@transaction.atomic
def revoke_accounts(*, names: Collection[str], actor: str, now: datetime) -> int:
    """How many were active until now. Their refresh tokens end at once, access tokens when they expire."""
    accounts = list(
        ServiceAccount.objects.select_for_update().filter(name__in=names, is_active=True).order_by("name")
    )
    for account in accounts:
        account.is_active = False
        account.generation += 1
        account.save(update_fields=["is_active", "generation"])
        _audit("revoked", account.name, actor, now)
    return len(accounts)


def issue_tokens(*, name: str, secret: str, scope: str | None, now: datetime) -> IssuedTokens:
    """Tokens for a proven account, with its scopes or the fewer asked for.

    Raises CredentialsError, and Invalid when a scope is asked for that the account does not have. Takes as
    long for a name that does not exist as for a wrong secret.
    """
    account = ServiceAccount.objects.filter(name=name).first()
    if account is None:
        make_password(secret)
        raise _refused()
    if not check_password(secret, account.secret) or not account.is_active:
        raise _refused()
    claims = Claims(
        account_name=account.name,
        scopes=_narrowed(frozenset(map(Scope, account.scopes)), scope),
        generation=account.generation,
    )
    _mark_used(account, now)
    return _issued(claims, refresh=issue_refresh_token(claims))


def refresh_access(*, refresh: str, scope: str | None, now: datetime) -> IssuedTokens:
    """An access token with the scopes that both the refresh token and the account, as of now, have.

    Raises CredentialsError, and Invalid when a scope is asked for that is not among those.
    """
    try:
        claims = read_refresh_token(refresh)
    except TokenError as error:
        raise _refused() from error
    account = ServiceAccount.objects.filter(name=claims.account_name, is_active=True).first()
    if account is None or account.generation != claims.generation:
        raise _refused()
    left = claims.scopes & frozenset(map(Scope, account.scopes))
    claims = Claims(account_name=account.name, scopes=_narrowed(left, scope))
    _mark_used(account, now)
    return _issued(claims, refresh=None)


def ensure_development_account(*, name: str, actor: str, now: datetime) -> None:
    """An active account with every scope and a secret that nobody knows: its tokens are issued directly."""
    if not ServiceAccount.objects.filter(name=name, is_active=True, scopes=sorted(Scope)).exists():
        try:
            create_account(name=name, scopes=list(Scope), actor=actor, now=now)
        except Conflict:
            rotate_secret(name=name, scopes=list(Scope), actor=actor, now=now)


def _issued(claims: Claims, *, refresh: str | None) -> IssuedTokens:
    access_claims = Claims(account_name=claims.account_name, scopes=claims.scopes)
    return IssuedTokens(
        access=issue_access_token(access_claims),
        refresh=refresh,
        expires_in=settings.CRM_ACCESS_TOKEN_MINUTES * 60,
        scope=join_scopes(claims.scopes),
    )


def _narrowed(held: frozenset[Scope], asked: str | None) -> frozenset[Scope]:
    if asked is None:
        return held
    words = set(asked.split())
    if not words or not words <= held:
        raise Invalid(
            problems=[
                FieldProblem(
                    field="scope",
                    code="scope_not_granted",
                    message=f"Ask for scopes that this account has: {join_scopes(held) or 'it has none'}.",
                )
            ]
        )
    return frozenset(map(Scope, words))


def _mark_used(account: ServiceAccount, now: datetime) -> None:
    ServiceAccount.objects.filter(pk=account.pk).update(last_used_at=now)


def _refused() -> CredentialsError:
    return CredentialsError(
        code="invalid_credentials",
        detail="Name and secret, or the refresh token, are not valid. Check them, or ask for a new secret.",
    )


def _audit(
    action: str, name: str, actor: str, now: datetime, *, scopes: Collection[Scope] | None = None
) -> None:
    audit.record(
        actor=actor,
        action=f"service_account.{action}",
        target=f"service_account:{name}",
        details=None if scopes is None else {"scopes": join_scopes(scopes)},
        now=now,
    )
