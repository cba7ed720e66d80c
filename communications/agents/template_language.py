"""The tags and filters that a message template may use. Nothing else is known to its engine.

No tag here reads a file, a URL or a request, and none switches escaping off: a template is written by staff
and filled with what strangers typed.
"""

from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, get_currency_symbol
from django.conf import settings
from django.template import Library, defaultfilters, defaulttags

from communications.rules.brand import palette

register = Library()
register.tag("if", defaulttags.do_if)
register.tag("for", defaulttags.do_for)
for _name in (
    "capfirst",
    "divisibleby",
    "join",
    "length",
    "linebreaksbr",
    "lower",
    "pluralize",
    "truncatechars",
    "upper",
):
    register.filter(_name, getattr(defaultfilters, _name))

# Where amounts are read in lakh and crore.
_LAKH_CURRENCIES = frozenset({"BDT", "INR", "NPR", "PKR"})

_NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@register.filter
def day(value: date | str) -> str:
    """Tuesday, 15 December 2026, as the installation's locale writes it. Words for a day stay as they are."""
    return _day(value, settings.CRM_LOCALE) if isinstance(value, date) else str(value)


@register.filter
def money(amount: Any, currency: str) -> str:
    """₹15,00,000 for 1500000 in INR. A budget given in words, such as "about 15 lakh", stays as it is."""
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        return str(amount)
    if not number.is_finite():
        return str(amount)
    return _money(number, currency, settings.CRM_LOCALE)


@register.filter
def number_word(number: int) -> str:
    """three for 3; larger ones in digits."""
    return _NUMBER_WORDS[number] if 0 <= number < len(_NUMBER_WORDS) else str(number)


@register.filter
def series_colour(place: int) -> str:
    """The colour of the first, second … of several things shown side by side, counted from 0; grey for -1."""
    colours = palette(settings.CRM_ACCENT_COLOUR)
    return colours.series[place % len(colours.series)] if place >= 0 else colours.nothing


@lru_cache(maxsize=1024)
def _day(value: date, locale: str) -> str:
    return str(format_date(value, "full", locale=locale))


@lru_cache(maxsize=1024)
def _money(number: Decimal, currency: str, locale: str) -> str:
    """In English, lakh and crore go by the currency: rupees are grouped so, and euros beside them are not."""
    english, in_lakh = locale.startswith("en"), currency in _LAKH_CURRENCIES
    if english:
        locale = "en_IN" if in_lakh else "en"
    if number != number.to_integral_value():
        return str(format_currency(number, currency, locale=locale))
    if not english:
        pattern = _whole_pattern(locale)
        return str(format_currency(number, currency, pattern, locale=locale, currency_digits=False))
    # By hand: for a whole amount babel looks up everything that it knows of the currency, ten times as long.
    digits = f"{abs(int(number)):,}"
    if in_lakh:
        digits = _in_lakh(digits.replace(",", ""))
    return f"{'-' if number < 0 else ''}{_symbol(currency, locale)}{digits}"


def _in_lakh(digits: str) -> str:
    """15,00,000: the last three together, the others in pairs."""
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail])


@lru_cache(maxsize=256)
def _symbol(currency: str, locale: str) -> str:
    return str(get_currency_symbol(currency, locale=locale))


@lru_cache(maxsize=32)
def _whole_pattern(locale: str) -> str:
    """The locale's own way, without decimal places: nobody plans an event to the cent."""
    pattern = Locale.parse(locale).currency_formats["standard"].pattern
    return str(pattern).replace("0.00", "0")
