from typing import Any

from django.contrib.auth.mixins import PermissionRequiredMixin
from django.http import HttpResponse
from django.views import View

VIEW_CONTENT = "communications.view_content"
SEND = "communications.add_communicationrequest"


class StaffView(PermissionRequiredMixin, View):
    """A page for staff who may see communications. Strangers go to the login and come back; others get 403.

    A fragment that meets an ended session cannot go to the login by itself: it has its page loaded again.
    """

    permission_required: Any = "communications.view_communication"

    def has_permission(self) -> bool:
        user: Any = self.request.user  # a stranger is no User
        return bool(user.is_staff and super().has_permission())

    def handle_no_permission(self) -> Any:
        if "HX-Request" in self.request.headers and not self.request.user.is_authenticated:
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return super().handle_no_permission()

    @property
    def may_read(self) -> bool:
        """Whether the viewer may see what messages say."""
        user: Any = self.request.user
        return bool(user.has_perm(VIEW_CONTENT))

    @property
    def may_act(self) -> bool:
        """Whether the viewer may cancel messages and send them again."""
        user: Any = self.request.user
        return bool(user.has_perm(SEND))
