"""The address that a client's answer goes to: it names the communication, signed, so that an answer finds its way
without a quoted text or a subject that somebody changed."""

import base64
import binascii
import hmac
from uuid import UUID

from django.conf import settings

from core.crypto import keyed_hash

_SIGNATURE_BYTES = 8
_TOKEN_BYTES = 16 + _SIGNATURE_BYTES


def reply_address(communication_id: UUID) -> str:
    """`replies+TOKEN@in.example.com` for CRM_REPLY_ADDRESS=replies@in.example.com; empty without that setting, then
    answers go to the sender."""
    mailbox, _, domain = settings.CRM_REPLY_ADDRESS.rpartition("@")
    if not mailbox:
        return ""
    token = base64.b32encode(communication_id.bytes + _signature(communication_id)).decode("ascii")
    # Lower case: some mail programs write every address so.
    return f"{mailbox}+{token.rstrip('=').lower()}@{domain}"


def communication_answered(address: str) -> UUID | None:
    """The communication that a mail to `address` answers; None for an address that is not one of ours."""
    local, _, domain = address.strip().lower().rpartition("@")
    mailbox, _, token = local.partition("+")
    if f"{mailbox}@{domain}" != settings.CRM_REPLY_ADDRESS.lower():
        return None
    try:
        raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != _TOKEN_BYTES:
        return None
    communication_id = UUID(bytes=raw[:16])
    return communication_id if hmac.compare_digest(raw[16:], _signature(communication_id)) else None


def _signature(communication_id: UUID) -> bytes:
    return bytes.fromhex(keyed_hash(communication_id.bytes, purpose="reply_address"))[:_SIGNATURE_BYTES]
