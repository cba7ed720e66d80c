from django.urls import path

from communications.api.action_views import CancelView, ResendView, RetryView
from communications.api.bulk_views import BulkView
from communications.api.explain_views import ExplainView
from communications.api.pauses import PausesView, PauseView
from communications.api.strategy_views import ReasonsView, StrategyPreviewView
from communications.api.views import CommunicationsView, CommunicationView, MessageTypesView

urlpatterns = [
    path("communications", CommunicationsView.as_view(), name="api-communications"),
    path("communications/bulk", BulkView.as_view(), name="api-communications-bulk"),
    path("communications/<uuid:communication_id>", CommunicationView.as_view(), name="api-communication"),
    path("communications/<uuid:communication_id>/explain", ExplainView.as_view(), name="api-explain"),
    path("strategy/preview", StrategyPreviewView.as_view(), name="api-strategy-preview"),
    path("reasons", ReasonsView.as_view(), name="api-reasons"),
    path("communications/<uuid:communication_id>/cancel", CancelView.as_view(), name="api-cancel"),
    path("communications/<uuid:communication_id>/resend", ResendView.as_view(), name="api-resend"),
    path("communications/<uuid:communication_id>/retry", RetryView.as_view(), name="api-retry"),
    path("message-types", MessageTypesView.as_view(), name="api-message-types"),
    path("pause", PausesView.as_view(), name="api-pauses"),
    path("pause/<uuid:pause_id>", PauseView.as_view(), name="api-pause"),
]
