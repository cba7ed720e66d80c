"""Failures of the engine that a caller can be told about."""

from collections.abc import Iterable

from core.errors import FieldProblem, Invalid, NotFound


class CommunicationNotFound(NotFound):
    code = "communication_not_found"

    def __init__(self) -> None:
        super().__init__("There is no communication with this id.")


class NotSupportedYet(Invalid):
    """The request asks for something that this version does not do; it is never ignored silently."""

    code = "not_supported_yet"

    def __init__(self, fields: Iterable[str]) -> None:
        super().__init__(
            [
                FieldProblem(field, "not_supported_yet", "This is not supported yet. Leave it out.")
                for field in fields
            ]
        )


class MissingVariables(Invalid):
    """The template needs values that the context does not hold."""

    code = "missing_variables"

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            [
                FieldProblem(f"context.{name}", "missing_variable", "The template needs this value. Give it.")
                for name in names
            ],
            detail="The context lacks values that the message needs.",
        )
