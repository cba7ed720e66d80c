"""The keys that a log line may have. A key that is not here is dropped from the line."""

# References and words of ours. Add a key only if no value of it can be personal.
WORD_KEYS = frozenset(
    {
        "caller",
        "check",
        "code",
        "communication_id",
        "consumer",
        "error",
        "error_code",
        "event_id",
        "kind",
        "message_type",
        "method",
        "provider",
        "request_id",
        "route",
        "scope",
        "status",
        "task",
        "template_version",
    }
)
NUMBER_KEYS = frozenset({"count"})
# Keys with these ends hold numbers or times, whatever stands before.
NUMBER_SUFFIXES = ("_at", "_bytes", "_count", "_ms", "_seconds")
