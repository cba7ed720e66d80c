"""Words of this app that need no Django."""

from enum import StrEnum


class SettingSource(StrEnum):
    """Who set a value. A later word of the planner never overrides the client's or the staff's."""

    PLANNER = "planner"
    CLIENT = "client"
    STAFF = "staff"


class Frequency(StrEnum):
    """How often a client wants what can wait: as it comes, or together once a day or once a week."""

    AT_ONCE = "at_once"
    DAILY = "daily"
    WEEKLY = "weekly"
