"""What administrators are alerted to, and in which words. No names, no addresses: the words leave the house."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from communications.choices import AttentionKind
from core.alert_rules import AlertWords

ALERTS: Final[Mapping[AttentionKind, AlertWords]] = MappingProxyType(
    {
        AttentionKind.DELIVERY_FAILED: AlertWords(
            "A message could not be delivered on any channel.",
            "{count} messages could not be delivered on any channel.",
        ),
        AttentionKind.PROVIDER_CONFIGURATION: AlertWords(
            "Our account with a provider is not in order; what waits for it is not sent.",
            "Our accounts with {count} providers are not in order; what waits for them is not sent.",
        ),
        AttentionKind.JOURNAL_REJECTED: AlertWords(
            "Notes of a lost worker could not be stored; the runbook says how to go on.",
            "Notes of lost workers could not be stored, {count} times; the runbook says how to go on.",
        ),
    }
)
