"""The accounts that the stand-ins know. Made up, the same everywhere, and good for nothing else.

Whoever runs the product against the sandbox gives it these; anything else is refused, as a provider would.
"""

from typing import Final

TWILIO_ACCOUNT_SID: Final = "AC" + "0a1b2c3d" * 4
TWILIO_AUTH_TOKEN: Final = "sandbox-twilio-auth-token"
TWILIO_PHONE_NUMBER: Final = "+15005550006"

TELNYX_API_KEY: Final = "KEY-sandbox-telnyx"
TELNYX_PHONE_NUMBER: Final = "+13125550101"
TELNYX_SIGNING_SEED: Final = bytes(range(32))
"""Ed25519: what Telnyx would keep to itself."""
TELNYX_PUBLIC_KEY: Final = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
