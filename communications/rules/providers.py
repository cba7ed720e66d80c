"""Which of a channel's providers carries a message (engine.md §Strategy, step 5: "another provider of the channel").

A message goes by another provider only when the earlier one surely did not take it. So every try of a message goes to
the provider that refused it least often, and around one whose circuit is open where it would not wait for that.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from communications.choices import OutcomeClass

PROVIDER_TROUBLE: Final = frozenset(
    {
        OutcomeClass.TRANSIENT,
        OutcomeClass.RATE_LIMITED,
        OutcomeClass.DEFERRED_LONG,
        OutcomeClass.CONFIG,
    }
)
"""What a provider refuses for reasons of its own: another one may take the message. What it says of the recipient or
the text holds for all, and what nobody can tell (`ambiguous`) is never repeated."""


def choose_provider(
    providers: Sequence[str], *, refused: Mapping[str, int], closed: Collection[str] = ()
) -> str:
    """Of `providers`, the first choice first, the one for the next try. `refused`: how often each refused this message;
    `closed`: those that it need not wait for. With all of them closed it is as if none were."""
    open_now = [name for name in providers if name not in closed] or list(providers)
    return min(open_now, key=lambda name: refused.get(name, 0))
