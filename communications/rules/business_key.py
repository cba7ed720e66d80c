"""What makes two requests the same request: the material of the business key (engine.md §Idempotency)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from communications.choices import MessageType

NOT_CONTENT: Final = frozenset(
    {
        # ids of runs and checkpoints
        "run_id",
        "run_ids",
        "checkpoint_id",
        "checkpoint_ns",
        "checkpoint_ts",
        "thread_id",
        "trace_id",
        "execution_id",
        "workflow_id",
        "session_id",
        # times of generation
        "generated_at",
        "generation_time",
        "timestamp",
        "created_at",
        "updated_at",
        "last_updated",
        "started_at",
        "completed_at",
        "finished_at",
    }
)
"""Names left out at every depth: they differ from run to run while the content is the same."""


def business_key_material(
    *,
    client_ref: str,
    plan_ref: str,
    message_type: MessageType,
    dedup_key: str | None,
    variables: Mapping[str, Any],
    files: Sequence[str] = (),
) -> bytes:
    """Canonical bytes, to be hashed with the installation's key: client, plan, type, and the caller's
    `dedup_key` or else the values of the type's variables and the digests of the files that come along.

    Equal content gives equal bytes, whatever the order of names, and whether a number is written 5 or 5.0.
    """
    if dedup_key is not None:
        content: list[Any] = ["dedup_key", dedup_key]
    else:
        content = ["values", _canonical(variables)]
        if files:
            content += ["files", sorted(files)]
    parts = [client_ref, plan_ref, message_type.value, *content]
    return json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items() if key not in NOT_CONTENT}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or isinstance(value, str | int | float):
        return value
    # Dates and decimals, as the normalised context holds them.
    return str(value)
