"""Words of this app that need no Django."""

from enum import StrEnum


class SettingSource(StrEnum):
    """Who set a value. A later word of the planner never overrides the client's or the staff's."""

    PLANNER = "planner"
    CLIENT = "client"
    STAFF = "staff"
