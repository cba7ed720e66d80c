"""Dividing what is to be sent among the providers of its channel (rules.providers decides)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.db.models import Count

from communications.choices import AttemptStatus
from communications.connectors.base import Connector
from communications.gateway import connectors_for, provider_names
from communications.models import DeliveryAttempt
from communications.rules.circuit import CLOSED, Circuit, CircuitState, Stopped, while_open
from communications.rules.providers import PROVIDER_TROUBLE, choose_provider
from communications.rules.retry import Action
from communications.services.checking import Cleared, deadline_of
from communications.services.circuits import glance_at
from core.choices import Channel


def divide(cleared: Sequence[Cleared], *, now: datetime) -> list[tuple[Connector, list[Cleared]]]:
    """Per connector what it carries, in the order of `cleared` within a channel. A channel with one provider costs
    nothing; others one query and one look into the cache."""
    divided: list[tuple[Connector, list[Cleared]]] = []
    by_channel = sorted(cleared, key=lambda item: item.job.channel)
    for channel, items in groupby(by_channel, key=lambda item: item.job.channel):
        connectors = connectors_for(channel)
        if len(connectors) == 1:
            divided.append((connectors[0], list(items)))
        else:
            divided += _among(connectors, list(items), now)
    return divided


def has_untried(channel: Channel, communication_id: UUID) -> bool:
    """Whether a provider of the channel was never called for this message."""
    names = provider_names().get(channel, ())
    if len(names) < 2:
        return False
    called = DeliveryAttempt.objects.filter(communication_id=communication_id, channel=channel)
    return not set(names) <= set(called.values_list("provider", flat=True))


def _among(
    connectors: Sequence[Connector], items: Sequence[Cleared], now: datetime
) -> list[tuple[Connector, list[Cleared]]]:
    names = [connector.name for connector in connectors]
    refused = _refusals([item.job.communication_id for item in items])
    circuits = {name: glance.circuit for name, glance in (glance_at(names) or {}).items()}
    chosen: dict[str, list[Cleared]] = {name: [] for name in names}
    for item in items:
        closed = [
            name for name in names if _goes_around(circuits.get(name, CLOSED), item, bool(chosen[name]), now)
        ]
        chosen[choose_provider(names, refused=refused[item.job.communication_id], closed=closed)].append(item)
    return [(connector, chosen[connector.name]) for connector in connectors if chosen[connector.name]]


def _goes_around(circuit: Circuit, item: Cleared, has_probe: bool, now: datetime) -> bool:
    """One that is half open gets one message, which finds out whether it answers again."""
    if not circuit.is_open or (circuit.state(now) is CircuitState.HALF_OPEN and not has_probe):
        return False
    message = Stopped(item.job.channel, item.job.urgency, deadline_of(item), has_fallback=True)
    return while_open(circuit, message, now).action is Action.FALLBACK


def _refusals(communication_ids: Sequence[UUID]) -> Mapping[UUID, dict[str, int]]:
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    refusals = DeliveryAttempt.objects.filter(
        communication_id__in=communication_ids,
        delivery_status=AttemptStatus.REJECTED,
        outcome_class__in=PROVIDER_TROUBLE,
    )
    counted = refusals.values_list("communication_id", "provider").annotate(times=Count("id"))
    for communication_id, provider, times in counted:
        found[communication_id][provider] = times
    return found
