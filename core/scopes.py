"""What a caller may do with the API. A scope implies no other; an account has the ones it was given."""

from enum import StrEnum


class Scope(StrEnum):
    READ = "crm:read"
    WRITE = "crm:write"
    ADMIN = "crm:admin"
