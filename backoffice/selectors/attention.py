"""What needs a person, with what each item is about, in a fixed number of queries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from backoffice.rules.attention_words import AttentionWords, words_for
from clients.models import Plan
from communications.choices import MessageType
from communications.models import Communication
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import CHANNEL_WORDS, REASONS
from core.attention import SETTLED_ITSELF
from core.choices import Channel
from core.errors import FieldProblem, Invalid
from core.models import AttentionItem
from core.people import actor_names

TOTAL_CAP = 10_000


@dataclass(frozen=True)
class Subject:
    """What an item is about. Both ids None: nothing that a page shows."""

    text: str
    communication_id: UUID | None = None
    client_id: UUID | None = None


@dataclass(frozen=True)
class AttentionEntry:
    """`why` is the rule's sentence, `code` the provider's own; empty where there is none."""

    item: AttentionItem
    words: AttentionWords
    subject: Subject
    why: str
    code: str
    resolved_by: str

    @property
    def settled_itself(self) -> bool:
        return self.item.resolved_by == SETTLED_ITSELF


@dataclass(frozen=True)
class AttentionPage:
    """`total` is exact up to TOTAL_CAP. `next_cursor` is None on the last page."""

    entries: Sequence[AttentionEntry]
    total: int
    total_is_capped: bool
    next_cursor: str | None


def list_attention(*, resolved: bool, after: UUID | None = None, limit: int) -> AttentionPage:
    """Open or resolved items, the last seen first, after the item `after`. Raises Invalid: no such item."""
    matching = AttentionItem.objects.filter(resolved_at__isnull=not resolved)
    total = matching.order_by()[: TOTAL_CAP + 1].count()
    rows = list(_after(matching.order_by("-last_seen_at", "id"), after)[: limit + 1])
    page = rows[:limit]
    return AttentionPage(
        entries=_entries(page),
        total=min(total, TOTAL_CAP),
        total_is_capped=total > TOTAL_CAP,
        next_cursor=str(page[-1].id) if len(rows) > limit else None,
    )


def _after(items: QuerySet[AttentionItem], after: UUID | None) -> QuerySet[AttentionItem]:
    if after is None:
        return items
    seen_at = AttentionItem.objects.filter(id=after).values_list("last_seen_at", flat=True).first()
    if seen_at is None:
        raise Invalid(
            [FieldProblem("cursor", "invalid_cursor", "This page of the list is not there any more.")]
        )
    return items.filter(
        Q(last_seen_at__lt=seen_at) | Q(last_seen_at=seen_at, id__gt=after), last_seen_at__lte=seen_at
    )


def _entries(items: Sequence[AttentionItem]) -> list[AttentionEntry]:
    subjects = _subjects({item.target for item in items})
    names = actor_names({item.resolved_by for item in items})
    return [
        AttentionEntry(
            item=item,
            words=words_for(item.kind),
            subject=subjects.get(item.target) or Subject(item.target.replace(":", " ", 1)),
            why=REASONS.get(str(item.details.get("reason", "")), ""),
            code=str(item.details.get("code", "")),
            resolved_by=names.get(item.resolved_by, item.resolved_by),
        )
        for item in items
    ]


def _subjects(targets: Iterable[str]) -> dict[str, Subject]:
    """The targets that are messages and plans of ours, in two queries."""
    named: dict[str, list[str]] = {}
    for target in targets:
        sort, _, name = target.partition(":")
        named.setdefault(sort, []).append(name)
    found = {}
    ids = [each for name in named.get("communication", ()) if (each := _as_uuid(name))]
    for row in Communication.objects.filter(id__in=ids).select_related("client").defer("content"):
        label = MESSAGE_TYPES[MessageType(row.message_type)].label
        text = f"{label} for {row.client} by {CHANNEL_WORDS[Channel(row.channel)]}"
        found[f"communication:{row.id}"] = Subject(text, row.id, row.client_id)
    plans = Plan.objects.filter(reference__in=named.get("plan", ())).select_related("client")
    for plan in plans.defer("event_type"):
        found[f"plan:{plan.reference}"] = Subject(
            f"Plan {plan.reference} of {plan.client}", client_id=plan.client_id
        )
    return found


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
