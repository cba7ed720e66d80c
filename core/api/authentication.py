"""Who is calling: a program with an access token, or staff with a session."""

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from core.api.principals import Caller, CallerKind
from core.scopes import Scope
from core.service_tokens import TokenError, read_access_token

# All of them are needed. The API's answers hold what messages say, so seeing that they went is not enough.
_PERMISSIONS_FOR = {
    Scope.READ: ("communications.view_communication", "communications.view_content"),
    Scope.WRITE: ("communications.add_communicationrequest",),
}


class ServiceTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`, an access token. Works while the database is down: it is not asked."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = read_access_token(token.strip())
        except TokenError as refusal:
            raise _refused(refusal) from refusal
        return Caller(f"service:{claims.account_name}", CallerKind.SERVICE, claims.scopes), None

    def authenticate_header(self, _request: Request) -> str:
        return 'Bearer realm="crm"'


def _refused(refusal: TokenError) -> AuthenticationFailed:
    if refusal.expired:
        return AuthenticationFailed("The access token has expired. Refresh it.", code="token_expired")
    return AuthenticationFailed(
        "This is not a valid access token. Get one with POST /api/crm/token.", code="token_invalid"
    )


class StaffSessionAuthentication(SessionAuthentication):
    """Staff who signed in, with CSRF protection; their Django permissions decide the scopes."""

    def authenticate(self, request: Request) -> tuple[Caller, None] | None:
        user: User | AnonymousUser | None = getattr(request._request, "user", None)
        if not isinstance(user, User) or not user.is_active or not user.is_staff:
            return None
        self.enforce_csrf(request)
        permissions = frozenset(user.get_all_permissions())
        return Caller(f"staff:{user.pk}", CallerKind.INTERACTIVE, _scopes_of(user), permissions), None


def _scopes_of(user: User) -> frozenset[Scope]:
    if user.is_superuser:
        return frozenset(Scope)
    return frozenset(scope for scope, names in _PERMISSIONS_FOR.items() if user.has_perms(names))
