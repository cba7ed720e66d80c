"""Names of what a message may wait for whose end nobody can foretell: a pause, or a provider's open circuit.

They stand in `Communication.waits_for`. `services.releasing` finds those that are over.
"""

from typing import Final
from uuid import UUID

RELEASE_TASK: Final = "communications.release_waiting"
PAUSE: Final = "pause:"
CIRCUIT: Final = "circuit:"


def waits_for_pause(pause_id: UUID) -> str:
    return f"{PAUSE}{pause_id}"


def waits_for_circuit(connector_name: str) -> str:
    return f"{CIRCUIT}{connector_name}"
