"""Words of this app that need no Django."""

from enum import StrEnum

from core.choices import Channel


class ContactKind(StrEnum):
    """What an address is. One phone number serves SMS and WhatsApp."""

    EMAIL = "email"
    PHONE = "phone"

    @property
    def label(self) -> str:
        return {"email": "E-mail address", "phone": "Phone number"}[self.value]


CONTACT_KIND_OF: dict[Channel, ContactKind] = {
    Channel.EMAIL: ContactKind.EMAIL,
    Channel.SMS: ContactKind.PHONE,
    Channel.WHATSAPP: ContactKind.PHONE,
}


class RevealReason(StrEnum):
    """Why somebody must see an address in clear. A list, because free text would name people in the audit log."""

    CLIENT_ASKED = "client_asked"
    COMPLAINT = "complaint"
    AUDIT_SAMPLE = "audit_sample"
    INCIDENT = "incident"
    LEGAL_REQUEST = "legal_request"

    @property
    def label(self) -> str:
        return {
            "client_asked": "The client asked about their data",
            "complaint": "A complaint is being looked into",
            "audit_sample": "Sample of an audit",
            "incident": "A security or privacy incident",
            "legal_request": "A request of a court or an authority",
        }[self.value]
