from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from core.api.negotiation import FirstRenderer
from core.api.throttles import CallerThrottle


class SchemaView(SpectacularAPIView):
    """OpenAPI, the same for everybody; making it costs a moment, so it counts as a read."""

    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [CallerThrottle]
    throttle_kind = "read"


# Swagger UI writes style attributes; its scripts are files of ours and need nothing more.
@method_decorator(csp_update({"style-src": [SELF, UNSAFE_INLINE]}), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    url_name = "api-schema"
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = [CallerThrottle]
    throttle_kind = "read"
    content_negotiation_class = FirstRenderer
