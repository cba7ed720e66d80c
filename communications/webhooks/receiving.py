"""What every webhook does: prove who calls, store, acknowledge. Processing comes after (`services.receipt_effects`)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, ClassVar, NoReturn

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from communications.choices import ReceiptKind
from communications.rules.receipts import ProviderReceipt
from communications.services.receipts import raw_payload, receive
from communications.webhooks.counting import count
from core.api.base import ApiView
from core.api.parsers import RawParser
from core.errors import CrmError, Malformed, TooLarge


# A subclass names its provider, proves the caller over the raw bytes and reads them; it stores nothing itself.
class WebhookView(ApiView):
    schema = None
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []
    parser_classes = [RawParser]
    provider: ClassVar[str]

    def is_known(self, request: Request) -> bool:  # noqa: ARG002 - for those who show something in a header
        """Asked before the body is read; for callers that show something of their own in a header."""
        return True

    def is_authentic(self, request: Request, body: bytes) -> bool:
        """Whether the provider sent it: compared in constant time, over the bytes as they came."""
        raise NotImplementedError

    def read(self, request: Request, body: bytes) -> Sequence[ProviderReceipt]:
        """Everything that the body tells, in every entry of it. Raises Malformed for what cannot be read."""
        raise NotImplementedError

    def post(self, request: Request, **_path: Any) -> Response:
        """204 once it is stored. What cannot be read is stored as it is, for people: telling it again helps nobody."""
        if not self.is_known(request):
            self._refuse()
        try:
            given: Any = request.data  # without a body it is an empty form
        except TooLarge:
            count(self.provider, "too_large")
            raise
        body = given if isinstance(given, bytes) else b""
        if not self.is_authentic(request, body):
            self._refuse()
        try:
            receipts, verdict = self.read(request, body), "stored"
        except Malformed:
            receipts, verdict = [_unread(self.provider, body)], "unread"
        try:
            receive(receipts)
        except CrmError:
            count(self.provider, "refused")
            raise
        count(self.provider, verdict)
        return Response(status=204)

    def _refuse(self) -> NoReturn:
        count(self.provider, "forged")
        raise PermissionDenied("This call is not signed as it should be. Nothing was stored.")


def _unread(provider: str, body: bytes) -> ProviderReceipt:
    return ProviderReceipt(
        provider=provider,
        dedupe_key=f"unread {sha256(body).hexdigest()}",
        kind=ReceiptKind.UNREAD,
        payload=raw_payload(body),
    )
