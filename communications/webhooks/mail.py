"""Raw mails, posted by the mail server that takes them for us: bounces, complaints, automatic answers, replies."""

import hmac
from collections.abc import Sequence

from django.conf import settings
from rest_framework.request import Request

from communications.rules.receipts import ProviderReceipt
from communications.services.incoming_mail import MAX_MAIL_BYTES, PROVIDER, receipt_of
from communications.webhooks.receiving import WebhookView


class RawMailView(WebhookView):
    """The body is the mail, whatever the content type says. Its caller shows INBOUND_MAIL_SECRET as bearer token."""

    provider = PROVIDER
    max_body_bytes = MAX_MAIL_BYTES

    def is_known(self, request: Request) -> bool:
        expected = settings.INBOUND_MAIL_SECRET
        given = request.headers.get("Authorization", "")
        return bool(expected) and hmac.compare_digest(given.encode(), f"Bearer {expected}".encode())

    def is_authentic(self, request: Request, body: bytes) -> bool:  # noqa: ARG002 - the bearer token is all there is
        return True

    def read(self, request: Request, body: bytes) -> Sequence[ProviderReceipt]:  # noqa: ARG002 - as above
        return [receipt_of(body)] if body.strip() else []
