"""Which kinds of attention items administrators are alerted to. Apps register theirs in `ready()`."""

from collections.abc import Mapping
from typing import Final

from core.alert_rules import AlertWords

ALERT_TASK: Final = "core.send_alerts"

_kinds: dict[str, AlertWords] = {}


def register_alert(kind: str, words: AlertWords) -> None:
    _kinds[kind] = words


def alerting_kinds() -> Mapping[str, AlertWords]:
    return _kinds
