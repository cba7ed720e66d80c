"""What can be pressed under a message, read from what the provider was given."""

from dataclasses import dataclass

from sandbox.messaging.ledger import PhoneMessage


@dataclass(frozen=True, slots=True)
class Button:
    identifier: str
    label: str


def buttons_of(message: PhoneMessage) -> list[Button]:
    return [Button(each["id"], each["title"]) for each in message.fields.get("buttons", ())]


def link_of(message: PhoneMessage) -> tuple[str, str] | None:
    """Address and words of the message's own link button."""
    link = message.fields.get("link")
    return (link["url"], link["label"]) if link else None
