"""The filters of the history, as they stand in its address."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from communications.choices import MessageType, Status
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import CHANNEL_WORDS
from communications.selectors.history import HistoryFilters, HistoryOrder
from core.choices import Channel
from preferences.rules.windows import SettingRefused, instant_of, parse_zone

_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)


class _Choices(forms.MultipleChoiceField):
    """Any of several; nothing chosen leaves the filter out."""

    widget = forms.CheckboxSelectMultiple
    default_error_messages = {"invalid_choice": "This is none of the choices. Choose from the list."}

    def __init__(self, words: Iterable[tuple[StrEnum, str]], **options: Any) -> None:
        super().__init__(choices=[(each.value, word) for each, word in words], required=False, **options)


class _Day(forms.DateField):
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    default_error_messages = {"invalid": "Write the day as 2026-03-31."}

    def __init__(self, **options: Any) -> None:
        outside = "Give a day between 2000 and 2099."
        super().__init__(
            required=False,
            input_formats=["%Y-%m-%d"],
            validators=[MinValueValidator(_FIRST_DAY, outside), MaxValueValidator(_LAST_DAY, outside)],
            **options,
        )


class _Instant(forms.DateTimeField):
    """With an offset, as links of ours have it, the same for everybody; without one, as the field is filled in, on the
    viewer's clock, which is also how it is shown."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
    default_error_messages = {"invalid": "Write the time as 2026-03-31T09:00."}

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, input_formats=["%Y-%m-%dT%H:%M"], **options)

    def to_python(self, value: Any) -> datetime | None:
        at = super().to_python(value)
        if at is not None and not _FIRST_DAY.year <= at.year <= _LAST_DAY.year:
            raise ValidationError("Give a time between 2000 and 2099.")
        return at

    def prepare_value(self, value: Any) -> Any:
        try:
            at = parse_datetime(str(value))
            return (
                value
                if at is None or at.tzinfo is None
                else timezone.localtime(at).strftime("%Y-%m-%dT%H:%M")
            )
        except (ValueError, OverflowError):
            return value


class _Zone(forms.CharField):
    def clean(self, value: Any) -> ZoneInfo | None:
        name = super().clean(value)
        try:
            return parse_zone(name) if name else None
        except SettingRefused as error:
            raise ValidationError("Write the time zone as Europe/Rome.") from error


class HistoryFilterForm(forms.Form):
    """Named as in the API. Days are those of the viewer. What is not a filter is ignored."""

    q = forms.CharField(label="Search", required=False, max_length=320)
    client_id = forms.CharField(label="Client’s reference", required=False, max_length=64)
    plan_id = forms.CharField(label="Plan’s reference", required=False, max_length=64)
    channel = _Choices(((each, CHANNEL_WORDS[each]) for each in Channel), label="Channel")
    status = _Choices(((each, each.value.replace("_", " ")) for each in Status), label="Status")
    message_type = _Choices(((each, MESSAGE_TYPES[each].label) for each in MessageType), label="Type")
    start_date = _Day(label="Asked for since")
    end_date = _Day(label="Asked for until")
    due_from = _Instant(label="Goes out from")
    due_before = _Instant(label="Goes out before")
    zone = _Zone(label="Client’s time zone", required=False, max_length=64)
    order = forms.ChoiceField(
        choices=[(HistoryOrder.NEWEST.value, "newest first"), (HistoryOrder.OLDEST.value, "oldest first")],
        required=False,
        error_messages={"invalid_choice": "The order is newest or oldest."},
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        start, end = cleaned.get("start_date"), cleaned.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", "Give a day that is not before the first one.")
        due_from, due_before = cleaned.get("due_from"), cleaned.get("due_before")
        if due_from and due_before and due_before <= due_from:
            self.add_error("due_before", "Give a time after the first one.")
        return cleaned

    @property
    def set_count(self) -> int:
        """How many filters are set, search and order not counted, whatever their values are worth."""
        return sum(bool(self[name].value()) for name in self.fields if name not in {"q", "order"})

    @property
    def asks_for_due(self) -> bool:
        """Whether the times at which something goes out have a place in the form: where it is about what waits."""
        waiting = Status.SCHEDULED.value in (self["status"].value() or ())
        return waiting or any(self[name].value() for name in ("due_from", "due_before", "zone"))

    @property
    def chosen_order(self) -> HistoryOrder:
        """Of a valid form."""
        return HistoryOrder(self.cleaned_data["order"] or HistoryOrder.NEWEST)

    def filters(self, *, viewer_zone: ZoneInfo) -> HistoryFilters:
        """Of a valid form."""
        given = self.cleaned_data
        start, end = given["start_date"], given["end_date"]
        return HistoryFilters(
            plan_reference=given["plan_id"] or None,
            client_reference=given["client_id"] or None,
            channels=[Channel(name) for name in given["channel"]],
            message_types=[MessageType(name) for name in given["message_type"]],
            statuses=[Status(name) for name in given["status"]],
            created_from=_midnight(start, viewer_zone) if start else None,
            created_before=_midnight(end + timedelta(days=1), viewer_zone) if end else None,
            due_from=given["due_from"],
            due_before=given["due_before"],
            zone=given["zone"],
            search=given["q"] or None,
        )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return instant_of(day, time.min, zone)
