"""The tags and filters that a message template may use. Nothing else is known to its engine.

No tag here reads a file, a URL or a request, and none switches escaping off: a template is written by staff
and filled with what strangers typed.
"""

from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from babel.dates import format_date
from babel.numbers import format_currency, get_currency_symbol
from django.template import Library, defaultfilters, defaulttags

register = Library()
register.tag("if", defaulttags.do_if)
register.tag("for", defaulttags.do_for)
for _name in ("capfirst", "join", "length", "linebreaksbr", "lower", "pluralize", "truncatechars", "upper"):
    register.filter(_name, getattr(defaultfilters, _name))

# Where amounts are read in lakh and crore.
_LAKH_CURRENCIES = frozenset({"BDT", "INR", "NPR", "PKR"})


@register.filter
def day(value: date) -> str:
    """Tuesday, 15 December 2026."""
    return _day(value)


@register.filter
def money(amount: Any, currency: str) -> str:
    """₹15,00,000 for 1500000 in INR. A budget given in words, such as "about 15 lakh", stays as it is."""
    try:
        number = Decimal(str(amount))
    except InvalidOperation:
        return str(amount)
    if not number.is_finite():
        return str(amount)
    return _money(number, currency)


@lru_cache(maxsize=1024)
def _day(value: date) -> str:
    return str(format_date(value, "EEEE, d MMMM y", locale="en"))


@lru_cache(maxsize=1024)
def _money(number: Decimal, currency: str) -> str:
    in_lakh = currency in _LAKH_CURRENCIES
    locale = "en_IN" if in_lakh else "en"
    if number != number.to_integral_value():
        return str(format_currency(number, currency, locale=locale))
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
