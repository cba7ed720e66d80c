"""Words of this app that need no Django."""

from enum import StrEnum

from core.choices import Channel


class SettingSource(StrEnum):
    """Who set a value. A later word of the planner never overrides the client's or the staff's."""

    PLANNER = "planner"
    CLIENT = "client"
    STAFF = "staff"


class Frequency(StrEnum):
    """How often a client wants what can wait: as it comes, or together once a day or once a week."""

    AT_ONCE = "at_once"
    DAILY = "daily"
    WEEKLY = "weekly"

    @property
    def label(self) -> str:
        return {
            "at_once": "As it comes",
            "daily": "Together, once a day",
            "weekly": "Together, once a week",
        }[self.value]


class ConsentState(StrEnum):
    """What an entry of the ledger says."""

    GRANTED = "granted"
    OPTED_OUT = "opted_out"


class ConsentSource(StrEnum):
    """Where an entry of the ledger comes from (engine.md §Consent)."""

    PLANNER = "planner"
    PAGE = "page"
    KEYWORD = "keyword"
    PROVIDER = "provider"
    STAFF = "staff"
    IMPORT = "import"

    @property
    def label(self) -> str:
        return {
            "planner": "the planning agent",
            "page": "the client, on a page of ours",
            "keyword": "the client, by a word in a reply",
            "provider": "the provider",
            "staff": "staff",
            "import": "an imported list",
        }[self.value]


class SuppressionReason(StrEnum):
    """Why an address is not to be written to."""

    OPTED_OUT = "opted_out"
    COMPLAINT = "complaint"
    ERASED = "erased"
    DO_NOT_CONTACT = "do_not_contact"

    @property
    def label(self) -> str:
        return {
            "opted_out": "Opted out",
            "complaint": "Complained, or marked a message as spam",
            "erased": "Belonged to somebody who was erased",
            "do_not_contact": "Not to be contacted",
        }[self.value]


class ReleaseReason(StrEnum):
    """Why an address may be written to again. A list, because free text would name people in the audit log."""

    OPTED_IN_AGAIN = "opted_in_again"
    CLIENT_ASKED = "client_asked"
    ENTERED_BY_MISTAKE = "entered_by_mistake"
    ADDRESS_CHANGED_HANDS = "address_changed_hands"

    @property
    def label(self) -> str:
        return {
            "opted_in_again": "Opted in again",
            "client_asked": "The client asked to be written to again",
            "entered_by_mistake": "It was entered by mistake",
            "address_changed_hands": "It belongs to somebody else now",
        }[self.value]


CHANNEL_LABELS: dict[Channel, str] = {
    Channel.EMAIL: "E-mail",
    Channel.SMS: "SMS",
    Channel.WHATSAPP: "WhatsApp",
}
