from django.urls import path

from communications.webhooks.mail import RawMailView

urlpatterns = [
    path("webhooks/email/raw", RawMailView.as_view(), name="webhook-raw-mail"),
]
