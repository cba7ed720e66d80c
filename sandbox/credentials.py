"""The accounts that the stand-ins know. Made up, the same everywhere, and good for nothing else.

Whoever runs the product against the sandbox gives it these; anything else is refused, as a provider would.
"""

from typing import Final

TWILIO_ACCOUNT_SID: Final = "AC" + "0a1b2c3d" * 4
TWILIO_AUTH_TOKEN: Final = "sandbox-twilio-auth-token"
TWILIO_PHONE_NUMBER: Final = "+15005550006"
