"""The filters of the history, as they stand in its address."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from communications.choices import MessageType, Status
from communications.rules.message_types import MESSAGE_TYPES
from communications.rules.reasons import CHANNEL_WORDS
from communications.selectors.history import HistoryFilters
from core.choices import Channel
from preferences.rules.windows import instant_of

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


class HistoryFilterForm(forms.Form):
    """Named as in the API. Days are those of the viewer. What is not a filter is ignored."""

    q = forms.CharField(label="Search", required=False, max_length=320)
    client_id = forms.CharField(label="Client’s reference", required=False, max_length=64)
    plan_id = forms.CharField(label="Plan’s reference", required=False, max_length=64)
    channel = _Choices(((each, CHANNEL_WORDS[each]) for each in Channel), label="Channel")
    status = _Choices(((each, each.value.replace("_", " ")) for each in Status), label="Status")
    message_type = _Choices(((each, MESSAGE_TYPES[each].label) for each in MessageType), label="Type")
    start_date = _Day(label="From")
    end_date = _Day(label="To")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        start, end = cleaned.get("start_date"), cleaned.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", "Give a day that is not before the first one.")
        return cleaned

    @property
    def set_count(self) -> int:
        """How many filters are set, the search not counted, whatever their values are worth."""
        return sum(bool(self[name].value()) for name in self.fields if name != "q")

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
            search=given["q"] or None,
        )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return instant_of(day, time.min, zone)
