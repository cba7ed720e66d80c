from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse


class CrmAdminSite(AdminSite):
    """The stock admin under the company's name."""

    site_header = settings.CRM_COMPANY_NAME
    site_title = settings.CRM_COMPANY_NAME
    index_title = "Records"
    site_url = "/"

    def login(self, request: HttpRequest, _extra_context: Any = None) -> HttpResponse:
        """Leads to the one sign-in of the staff pages, which knows the way back. Who is signed in and comes here may
        not use the admin: signing in again would lead in a circle."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index"))
