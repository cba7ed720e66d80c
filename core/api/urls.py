"""No path ends in a slash: OptionalTrailingSlashMiddleware takes it away."""

from django.urls import path

from core.api.docs_views import DocsView, SchemaView
from core.api.health_views import HealthView, LiveView, ReadyView
from core.api.token_views import TokenRefreshView, TokenView

urlpatterns = [
    path("token", TokenView.as_view(), name="api-token"),
    path("token/refresh", TokenRefreshView.as_view(), name="api-token-refresh"),
    path("health", HealthView.as_view(), name="api-health"),
    path("health/live", LiveView.as_view(), name="api-health-live"),
    path("health/ready", ReadyView.as_view(), name="api-health-ready"),
    path("schema", SchemaView.as_view(), name="api-schema"),
    path("docs", DocsView.as_view(), name="api-docs"),
]
