from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from preferences.rules.windows import SettingRefused, parse_zone

ZONE_COOKIE = "crm_zone"
_API_PREFIX = "/api/"

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class StaffPagesMiddleware:
    """For everything but the API: times in the viewer's zone, and no page kept by the browser."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(_API_PREFIX):
            return self.get_response(request)
        with timezone.override(viewer_zone(request)):
            response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


def viewer_zone(request: HttpRequest) -> ZoneInfo:
    """The zone that the browser told us, or the installation's."""
    try:
        return parse_zone(request.COOKIES.get(ZONE_COOKIE, ""))
    except SettingRefused:
        return parse_zone(settings.CRM_DEFAULT_TIMEZONE)
