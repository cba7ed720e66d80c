from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from core.api.throttles import count_sign_in


class CrmAdminSite(AdminSite):
    """The stock admin under the company's name."""

    site_header = settings.CRM_COMPANY_NAME
    site_title = settings.CRM_COMPANY_NAME
    index_title = "Records"
    site_url = None

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Attempts to sign in count by network, together with those of programs (CRM_TOKEN_RATE)."""
        if request.method == "POST":
            usage = count_sign_in(request)
            if not usage.allowed:
                return self._too_many_sign_ins(request, wait_seconds=usage.wait_seconds)
        return super().login(request, extra_context)

    def _too_many_sign_ins(self, request: HttpRequest, *, wait_seconds: int) -> HttpResponse:
        context = {
            **self.each_context(request),
            "title": "Too many attempts to sign in",
            "wait_minutes": -(-wait_seconds // 60),
        }
        headers = {"Retry-After": str(wait_seconds), "Cache-Control": "no-store"}
        return TemplateResponse(request, "admin/too_many_sign_ins.html", context, status=429, headers=headers)
