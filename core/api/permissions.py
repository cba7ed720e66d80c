from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from core.api.principals import CallerKind, caller_of
from core.scopes import Scope

if TYPE_CHECKING:  # views load their permission classes while they are being defined
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """The caller holds what the view's `required_scopes` names for this method; staff, where the view names one in
    `staff_permissions`, that permission instead: scopes are too coarse for the matrix of roles.

    A method that the view answers but does not name is refused to everybody: forgetting closes.
    """

    code = "scope_missing"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        method = "GET" if request.method == "HEAD" else str(request.method)
        caller = caller_of(request)
        if caller is None:
            return False
        if method.lower() not in view.http_method_names or not hasattr(view, method.lower()):
            return True  # nothing runs: the view answers 405
        required: Scope | None = getattr(view, "required_scopes", {}).get(method)
        if required is None:
            self.message = "No caller may use this method here."
            return False
        permission: str | None = getattr(view, "staff_permissions", {}).get(method)
        if permission is not None and caller.kind is CallerKind.INTERACTIVE:
            self.message = "Your role may not do this."
            return permission in caller.permissions
        self.message = f"This needs the scope {required}. Ask for a token that has it."
        return required in caller.scopes
