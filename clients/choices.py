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
