from django.urls import path

from communications.rules.actions import Action
from communications.web import views
from communications.web.actions import ActView

app_name = "communications"

urlpatterns = [
    path("history/", views.HistoryView.as_view(), name="history"),
    path("history/rows/", views.HistoryRowsView.as_view(), name="history_rows"),
    path("communications/<uuid:communication_id>/", views.CommunicationView.as_view(), name="communication"),
    path("communications/<uuid:communication_id>/message/", views.WholeMessageView.as_view(), name="message"),
    path("communications/<uuid:communication_id>/preview/", views.PreviewView.as_view(), name="preview"),
    path(
        "communications/<uuid:communication_id>/attachments/<int:attachment_id>/",
        views.AttachmentView.as_view(),
        name="attachment",
    ),
    *(
        path(
            f"communications/<uuid:communication_id>/{action}/",
            ActView.as_view(action=action),
            name=action.value,
        )
        for action in Action
    ),
]
