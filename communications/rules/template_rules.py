"""What a message template takes from the context: its declared variables, and what fits into them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from json import dumps
from typing import Any

from communications.rules.shapes import SHAPE_NAMES

Scalar = str | int | float | Decimal | date

# Filled in by the engine for every template; nobody declares or sends them.
BUILT_IN_VARIABLES = frozenset(
    {
        "company_name",
        "currency",
        "digest_items",
        "headline",
        "logo",
        "paragraphs",
        "plan_id",
        "postal_address",
        "requested_at",
        "support_email",
        "time_zone",
    }
)
# Filled in by the engine too, with a default; a template may declare it to give another.
ALWAYS_KNOWN = frozenset({"event_type"})
# Known only once subject and preheader are rendered: for the HTML part.
HTML_ONLY_VARIABLES = frozenset({"preheader", "subject"})

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Variable:
    """What a template takes from the context. A list as default means: a list of texts. With a `shape` it is one of
    the planner's, read by `rules.shapes`, and has no default."""

    name: str
    required: bool
    default: str | tuple[str, ...]
    description: str
    shape: str = ""

    @property
    def is_list(self) -> bool:
        return isinstance(self.default, tuple)


class WrongShapeError(ValueError):
    """A value that cannot be written into a message, such as an object where a text belongs."""


def parse_variables(raw: Sequence[Mapping[str, Any]]) -> tuple[Variable, ...]:
    """The declarations as stored on a version. Raises ValueError with a sentence for the author."""
    variables = tuple(_parse_variable(entry) for entry in raw)
    names = [variable.name for variable in variables]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is declared twice; keep one declaration.")
        if name in BUILT_IN_VARIABLES | HTML_ONLY_VARIABLES:
            raise ValueError(f"{name} is filled in by the engine; leave it out of the declarations.")
    return variables


def _parse_variable(entry: Mapping[str, Any]) -> Variable:
    name, default = entry.get("name"), entry.get("default", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a variable: use a-z, 0-9 and _, starting with a letter.")
    if isinstance(default, list) and all(isinstance(item, str) for item in default):
        default = tuple(default)
    elif not isinstance(default, str):
        raise ValueError(f"The default of {name} must be a text or a list of texts.")
    required = entry.get("required", False)
    if not isinstance(required, bool):
        raise ValueError(f"required of {name} must be true or false.")
    shape = entry.get("shape", "")
    if shape and shape not in SHAPE_NAMES:
        raise ValueError(f"{shape!r} of {name} is no shape; use one of {', '.join(sorted(SHAPE_NAMES))}.")
    if shape and default:
        raise ValueError(f"{name} has a shape; leave its default out.")
    description = str(entry.get("description", ""))
    return Variable(name=name, required=required, default=default, description=description, shape=shape)


def variables_as_json(variables: Sequence[Variable]) -> list[dict[str, Any]]:
    return [
        {
            "name": variable.name,
            "required": variable.required,
            "default": list(variable.default) if isinstance(variable.default, tuple) else variable.default,
            "description": variable.description,
            # Left out where there is none, so that the sums of versions stay as they are.
            **({"shape": variable.shape} if variable.shape else {}),
        }
        for variable in variables
    ]


def fit(variable: Variable, value: object) -> Scalar | list[str] | None:
    """`value` as a template may print it; None when there is nothing in it. Raises WrongShapeError.

    Lists keep their non-empty texts; a text given for a list is one item per line.
    """
    if value is None:
        return None
    if not variable.is_list:
        return _scalar(value)
    if isinstance(value, str):
        value = value.splitlines()
    if not isinstance(value, list | tuple):
        raise WrongShapeError(f"{variable.name} must be a list of texts.")
    items = [_scalar(item) for item in value if item is not None]
    return [str(item) for item in items if item is not None] or None


def _scalar(value: object) -> Scalar | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | date):
        raise WrongShapeError("A text or a number is needed here.")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def checksum(*, subject: str, preheader: str, mjml: str, text: str, variables: Sequence[Variable]) -> str:
    """SHA-256 of everything that an author writes; equal sums mean the same version."""
    parts = [subject, preheader, mjml, text, variables_as_json(variables)]
    return sha256(dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
