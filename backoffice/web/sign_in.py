from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.api.throttles import count_sign_in


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "This name and password do not go together. Check both, and the Caps Lock key.",
        "inactive": "This account is closed. Ask an administrator to open it.",
    }

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if not user.is_staff:
            raise ValidationError(
                "This account is not one for the staff pages. Ask an administrator.", code="not_staff"
            )


class SignIn(LoginView):
    """Attempts count by network, together with those of programs (CRM_TOKEN_RATE). The admin leads here too."""

    template_name = "registration/login.html"
    authentication_form = SignInForm
    next_page = "backoffice:today"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        usage = count_sign_in(request)
        if not usage.allowed:
            context = {"wait_minutes": -(-usage.wait_seconds // 60)}
            refusal = render(request, "registration/too_many_sign_ins.html", context, status=429)
            refusal["Retry-After"] = str(usage.wait_seconds)
            return refusal
        return super().post(request, *args, **kwargs)
