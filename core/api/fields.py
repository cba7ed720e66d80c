"""Serializer fields that take what JSON says and nothing that merely resembles it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, NamedTuple

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.fields import SkipField

_EARLIEST = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
_FURTHEST_AHEAD = timedelta(days=3 * 365)


class _Step(NamedTuple):
    """How one field is read. `asked`: also where it was left out, because it must be there or has a default."""

    name: str
    field: "serializers.Field[Any, Any, Any, Any]"
    check: Callable[[Any], Any] | None
    asked: bool


# Refuses fields it does not know: a misspelt one would otherwise be ignored in silence. (No docstring: the
# schema would show it for every class derived from this one.)
class StrictSerializer(serializers.Serializer[Any]):
    @classmethod
    def checked(cls, data: Any) -> dict[str, Any]:
        """The validated data. Raises ValidationError (422)."""
        if data is None:
            raise _not_an_object()
        validated: dict[str, Any] = _form(cls).run_validation(data)
        return validated

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise _not_an_object()
        value: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        for name, field, check, asked in self._steps:
            given = data.get(name, serializers.empty)
            if given is serializers.empty and not asked:
                continue
            try:
                read = field.run_validation(given)
                value[name] = read if check is None else check(read)
            except ValidationError as error:
                problems[name] = error.detail
            except SkipField:
                pass
        problems |= {
            str(name)[:100]: [ErrorDetail("There is no such field.", "unknown_field")]
            for name in data
            if name not in self.fields
        }
        if problems:
            raise ValidationError(problems)
        return value

    @cached_property
    def _steps(self) -> tuple[_Step, ...]:
        """What DRF finds out anew for each body."""
        return tuple(
            _Step(
                name,
                field,
                getattr(self, f"validate_{name}", None),
                asked=field.required or field.default is not serializers.empty,
            )
            for name, field in self.fields.items()
            if not field.read_only
        )


@cache
def _form(kind: type[StrictSerializer]) -> StrictSerializer:
    """One of each for all requests: making its fields anew costs more than what they check, and they keep nothing."""
    return kind()


class StrictCharField(serializers.CharField):
    """A JSON string; numbers are not texts here."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if type(data) is str and data.isprintable() and len(data) <= (self.max_length or len(data)):
            # Nearly every text: nothing in it that the validators look for.
            text = data.strip() if self.trim_whitespace else data
            if text:
                return text
        # Before the parent turns whatever it gets into text.
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            raise wrong_type("a text (a JSON string)")
        return super().run_validation(data)


class StrictBooleanField(serializers.BooleanField):
    """true or false; not "yes", not 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise wrong_type("true or false")
        return data


class StrictChoiceField(serializers.ChoiceField):
    """One of an enum's values, exactly as written; gives the member."""

    def __init__(self, choices: type[StrEnum], **options: Any) -> None:
        self.enum = choices
        # Value and name: by this pair the schema's generator finds the enum's name.
        super().__init__(choices=[(member.value, member.name) for member in choices], **options)

    def to_internal_value(self, data: Any) -> StrEnum:
        if not isinstance(data, str):
            raise wrong_type("a text (a JSON string)")
        try:
            return self.enum(data)
        except ValueError as error:
            known = ", ".join(member.value for member in self.enum)
            raise ValidationError(f"Use one of {known}.", code="invalid_choice") from error


@extend_schema_field({"type": "object", "additionalProperties": True})
class StrictObjectField(serializers.Field[Any, Any, Any, Any]):
    """A JSON object with anything in it."""

    def to_internal_value(self, data: Any) -> Mapping[str, Any]:
        if not isinstance(data, Mapping):
            raise ValidationError("Send a JSON object.", code="not_an_object")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "string", "format": "date-time"})
class InstantField(serializers.Field[Any, Any, Any, Any]):
    """An instant as ISO 8601 with its offset, within the years that a plan can be about."""

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            raise wrong_type("a text (a JSON string)")
        try:
            instant = datetime.fromisoformat(data)
        except ValueError as error:
            raise ValidationError(
                "Write date and time as 2026-12-15T09:00:00+05:30.", code="invalid_instant"
            ) from error
        if instant.tzinfo is None:
            raise ValidationError("Add the offset from UTC, such as Z or +05:30.", code="offset_missing")
        check_years(instant)
        return instant

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


def check_years(instant: datetime) -> None:
    """Raises ValidationError for instants so far away that reckoning with them could fail."""
    if not _EARLIEST <= instant <= timezone.now() + _FURTHEST_AHEAD:
        raise ValidationError(
            "Give an instant from the year 2000 to three years from now.", code="out_of_range"
        )


def wrong_type(wanted: str) -> ValidationError:
    return ValidationError(f"Send {wanted}.", code="wrong_type")


def _not_an_object() -> ValidationError:
    return ValidationError({"non_field_errors": [ErrorDetail("Send a JSON object.", "not_an_object")]})
