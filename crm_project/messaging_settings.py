"""The settings of the providers of SMS and WhatsApp: a part of settings.py, which takes every name over."""

import environ

from communications.rules.rate_limit import Rate
from core.settings_policy import checked, require_whole

__all__ = [
    "TELNYX_API_BASE_URL",
    "TELNYX_API_KEY",
    "TELNYX_MAX_PER_SECOND",
    "TELNYX_MESSAGING_PROFILE_ID",
    "TELNYX_PHONE_NUMBER",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_API_BASE_URL",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_MAX_PER_SECOND",
    "TWILIO_MESSAGING_SERVICE_SID",
    "TWILIO_PHONE_NUMBER",
]

env = environ.Env()

TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", default="")
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", default="")
TWILIO_PHONE_NUMBER = env.str("TWILIO_PHONE_NUMBER", default="")
TWILIO_MESSAGING_SERVICE_SID = env.str("TWILIO_MESSAGING_SERVICE_SID", default="")
TWILIO_API_BASE_URL = env.str("TWILIO_API_BASE_URL", default="https://api.twilio.com")
TWILIO_MAX_PER_SECOND = checked(
    "TWILIO_MAX_PER_SECOND", env.str("TWILIO_MAX_PER_SECOND", default=""), Rate.parse
)
require_whole(
    ("TWILIO_ACCOUNT_SID", TWILIO_ACCOUNT_SID),
    ("TWILIO_AUTH_TOKEN", TWILIO_AUTH_TOKEN),
    (
        "TWILIO_PHONE_NUMBER or TWILIO_MESSAGING_SERVICE_SID",
        TWILIO_PHONE_NUMBER or TWILIO_MESSAGING_SERVICE_SID,
    ),
)

TELNYX_API_KEY = env.str("TELNYX_API_KEY", default="")
TELNYX_PHONE_NUMBER = env.str("TELNYX_PHONE_NUMBER", default="")
TELNYX_MESSAGING_PROFILE_ID = env.str("TELNYX_MESSAGING_PROFILE_ID", default="")
TELNYX_API_BASE_URL = env.str("TELNYX_API_BASE_URL", default="https://api.telnyx.com")
TELNYX_MAX_PER_SECOND = checked(
    "TELNYX_MAX_PER_SECOND", env.str("TELNYX_MAX_PER_SECOND", default=""), Rate.parse
)
require_whole(("TELNYX_API_KEY", TELNYX_API_KEY), ("TELNYX_PHONE_NUMBER", TELNYX_PHONE_NUMBER))
