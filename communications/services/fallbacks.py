"""The next channel of a communication that surely failed on its own (engine.md §Strategy, step 5; §Delivery)."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings

from clients.choices import CONTACT_KIND_OF
from communications.choices import Status, Urgency
from communications.gateway import configured_channels
from communications.models import Communication, CommunicationRequest, DeliveryAttempt
from communications.rules.channels import is_usable, next_channel
from core.choices import Channel
from preferences.selectors.consent import allowed_channels, current_points
from preferences.selectors.effective import effective_preferences


def choose(leaving: Mapping[UUID, Mapping[str, Any]]) -> dict[UUID, Channel]:
    """Per attempt that failed (with its row as `outcomes` reads it) the channel that is left; absent: none is.

    A fixed number of queries for a group. The requests are locked, in id order, until the transaction ends, so two
    siblings never choose the same channel.
    """
    configured = configured_channels()
    hopeful = {
        attempt_id: row
        for attempt_id, row in leaving.items()
        if configured.intersection(row["fallbacks"] or ())
    }
    if not hopeful:
        return {}
    requests = {row["request_id"] for row in hopeful.values()}
    locked = (
        CommunicationRequest.objects.filter(id__in=requests).order_by("id").select_for_update(no_key=True)
    )
    list(locked.values_list("id"))
    is_open = _OpenChannels({row["client_id"] for row in hopeful.values()}, configured)
    in_use = _used_by(requests)
    failed_on = _failed_on({row["communication_id"] for row in hopeful.values()})
    chosen: dict[UUID, Channel] = {}
    for attempt_id, row in hopeful.items():
        uses, own = in_use[row["request_id"]], row["communication_id"]
        taken = {channel for sibling, channel in uses.items() if sibling != own} | failed_on[own]
        channel = next_channel(
            [Channel(name) for name in row["fallbacks"]], open_now=is_open.to(row), taken=taken
        )
        if channel is not None:
            chosen[attempt_id] = uses[own] = channel
    return chosen


class _OpenChannels:
    """Which channels these clients can be written to on now."""

    def __init__(self, client_ids: Collection[UUID], configured: Collection[Channel]) -> None:
        points = current_points(client_ids)
        self._reachable = {place for place, point in points.items() if point.undeliverable_at is None}
        self._allowed = allowed_channels(client_ids, points)
        self._preferences = effective_preferences(client_ids, default_timezone=settings.CRM_DEFAULT_TIMEZONE)
        self._configured = configured

    def to(self, row: Mapping[str, Any]) -> set[Channel]:
        """A critical message may use channels that the client did not choose."""
        client = row["client_id"]
        chosen, urgency = self._preferences[client].chosen_channels, Urgency(row["urgency"])
        return {
            channel
            for channel in self._configured
            if channel in self._allowed[client]
            and (client, CONTACT_KIND_OF[channel]) in self._reachable
            and is_usable(chosen, channel, urgency)
        }


def _used_by(requests: Collection[UUID]) -> dict[UUID, dict[UUID, Channel]]:
    """Per request: its communications and their channels, without those that surely failed or never go."""
    uses: dict[UUID, dict[UUID, Channel]] = defaultdict(dict)
    siblings = Communication.objects.filter(request_id__in=requests).exclude(
        status__in=[Status.FAILED, Status.CANCELLED]
    )
    for request_id, sibling, channel in siblings.values_list("request_id", "id", "channel"):
        uses[request_id][sibling] = Channel(channel)
    return uses


def _failed_on(communications: Collection[UUID]) -> dict[UUID, set[Channel]]:
    tried: dict[UUID, set[Channel]] = defaultdict(set)
    attempts = DeliveryAttempt.objects.filter(communication_id__in=communications)
    for communication_id, channel in attempts.values_list("communication_id", "channel").distinct():
        tried[communication_id].add(Channel(channel))
    return tried
