"""Message templates: checking and saving versions, the built-in ones, and which version a message takes.

A version never changes. Saving compiles it, so a template that cannot be sent cannot be stored.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.template import TemplateSyntaxError
from mjml import mjml2html

from communications.agents.email import GENERIC_TEMPLATE
from communications.agents.rendering import compile_source, compiled, names_used, syntax_problem
from communications.choices import MessageType
from communications.models.template import Template, TemplateVersion
from communications.rules.mjml_rules import SourceProblem, foreign_resources, mjml_problems
from communications.rules.shapes import missing, read_shape
from communications.rules.template_rules import (
    ALWAYS_KNOWN,
    BUILT_IN_VARIABLES,
    HTML_ONLY_VARIABLES,
    Variable,
    WrongShapeError,
    checksum,
    fit,
    parse_variables,
    variables_as_json,
)
from communications.services.template_sources import TemplateSource, builtin_sources
from core.choices import Channel
from core.errors import FieldProblem, Invalid
from core.pipelines import Query, Rows, fetch_together

Part = Literal["subject", "preheader", "mjml", "text"]

_LONGEST_VALUE = 20_000  # characters; a worker holds a whole group of mails in memory
BUILT_IN_ACTOR = "system:built-in"
_TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ACTIVE_IDS = """
    SELECT name, active_version_id FROM crm_communication_templates
     WHERE channel = %s AND name = ANY(%s) AND active_version_id IS NOT NULL
"""
_POSITION = re.compile(r" at position (\d+):\d+$")


@dataclass(frozen=True)
class Loaded:
    """One built-in template after loading: the version of it that is stored, and whether that is new."""

    name: str
    version: TemplateVersion
    changed: bool
    active: bool


@dataclass(frozen=True)
class _Draft:
    """A checked version, ready to be stored."""

    subject: str
    preheader: str
    mjml: str
    text: str
    variables: tuple[Variable, ...]
    html: str

    @property
    def checksum(self) -> str:
        return checksum(
            subject=self.subject,
            preheader=self.preheader,
            mjml=self.mjml,
            text=self.text,
            variables=self.variables,
        )


def save_version(  # noqa: PLR0913 - an author fills in exactly these; a form object would only rename them
    *,
    name: str,
    channel: Channel,
    subject: str,
    preheader: str,
    mjml: str,
    text: str,
    variables: Sequence[Mapping[str, Any]],
    actor: str,
    now: datetime,
) -> TemplateVersion:
    """A new version, not yet active; the newest one again when nothing differs from it.

    Raises Invalid, with a line for each problem where there is one. Two authors at once get two numbers.
    """
    if not _TEMPLATE_NAME.fullmatch(name):
        message = "Use a-z, 0-9 and _, starting with a letter, at most 64 characters."
        raise Invalid([FieldProblem("name", "invalid_name", message)])
    draft = _check(subject=subject, preheader=preheader, mjml=mjml, text=text, variables=variables)
    with transaction.atomic():
        template = _lock_template(name=name, channel=channel, now=now)
        newest = template.versions.order_by("-number").first()
        if newest is not None and newest.checksum == draft.checksum:
            return newest
        return _store(template, draft, newest=newest, actor=actor, now=now)


def activate(*, version: TemplateVersion, now: datetime) -> None:
    """Requests accepted from now on take `version`; those that were accepted keep theirs."""
    Template.objects.filter(id=version.template_id).update(active_version=version, updated_at=now)


def active_version(name: str, channel: Channel) -> TemplateVersion | None:
    """With its template loaded."""
    return _active().filter(template__name=name, template__channel=channel).first()


def active_query(message_types: Collection[str], channel: Channel) -> Query:
    """What `versions_of` reads. Which version is active is always asked; what a version says never changes."""
    return _ACTIVE_IDS, [channel.value, [*map(str, message_types), GENERIC_TEMPLATE]]


def versions_of(active: Rows, message_types: Collection[str]) -> dict[str, TemplateVersion]:
    """The active version for each type, else the generic one; a type that has neither is absent. `active`: the rows of
    `active_query`. No query, but for versions that this process has not met."""
    by_name: dict[str, UUID] = dict(active)
    wanted = ((name, by_name.get(name) or by_name.get(GENERIC_TEMPLATE)) for name in message_types)
    return {name: _version(version_id) for name, version_id in wanted if version_id is not None}


def versions_for(message_types: Collection[str], channel: Channel) -> dict[str, TemplateVersion]:
    """Both of them, where nothing else is asked at the same time."""
    (active,) = fetch_together(active_query(message_types, channel))
    return versions_of(active, message_types)


@lru_cache(maxsize=256)
def _version(version_id: UUID) -> TemplateVersion:
    """With its template, of which the name alone counts."""
    return TemplateVersion.objects.select_related("template").get(id=version_id)


def check_variables(
    version: TemplateVersion, variables: Mapping[str, Any], *, message_type: str = ""
) -> list[FieldProblem]:
    """What is wrong with a normalised context; put the known client's name into it as `client_name`."""
    problems = []
    for variable in compiled(version).variables:
        if variable.shape:
            problems += _shape_problems(variable, variables)
            continue
        field = f"context.{variable.name}"
        try:
            value = fit(variable, variables.get(variable.name))
        except WrongShapeError:
            kind = "a list of texts" if variable.is_list else "a text or a number"
            problems.append(FieldProblem(field, "wrong_type", f"{variable.name} must be {kind}."))
            continue
        if value is None and variable.required:
            problems.append(_missing(variable.name))
        if isinstance(value, str | list) and sum(map(len, value)) > _LONGEST_VALUE:
            problems.append(_too_long(variable.name))
    if message_type == MessageType.CUSTOM and version.template.name == GENERIC_TEMPLATE:
        message = variables.get("message")
        if not isinstance(message, str) or not message.strip():
            problems.append(_missing("message"))
        elif len(message) > _LONGEST_VALUE:
            problems.append(_too_long("message"))
    return problems


def load_builtin_templates(*, now: datetime) -> list[Loaded]:
    """Stores the built-in templates whose files changed. Safe at every start, on several machines at once.

    A changed one becomes active, unless staff have made a version of their own active.
    """
    return [_load_builtin(source, now=now) for source in builtin_sources()]


def _load_builtin(source: TemplateSource, *, now: datetime) -> Loaded:
    draft = _check(
        subject=source.subject,
        preheader=source.preheader,
        mjml=source.mjml,
        text=source.text,
        variables=source.variables,
    )
    with transaction.atomic():
        template = _lock_template(name=source.name, channel=Channel.EMAIL, now=now)
        ours = template.versions.filter(created_by=BUILT_IN_ACTOR).order_by("-number").first()
        active = template.active_version
        if ours is not None and ours.checksum == draft.checksum:
            return Loaded(source.name, ours, changed=False, active=active == ours)
        newest = template.versions.order_by("-number").first()
        version = _store(template, draft, newest=newest, actor=BUILT_IN_ACTOR, now=now)
        replaces_ours = active is None or active.created_by == BUILT_IN_ACTOR
        if replaces_ours:
            activate(version=version, now=now)
    return Loaded(source.name, version, changed=True, active=replaces_ours)


def _active() -> QuerySet[TemplateVersion]:
    return (
        TemplateVersion.objects.filter(template__active_version=F("id"))
        .select_related("template")
        .order_by("template__name")
    )


def _shape_problems(variable: Variable, variables: Mapping[str, Any]) -> list[FieldProblem]:
    value, problems = read_shape(variable.shape, variables, name=variable.name)
    if value is None and variable.required and not problems:
        return [missing(variable.shape, name=variable.name)]
    return problems


def _missing(name: str) -> FieldProblem:
    return FieldProblem(f"context.{name}", "missing_variable", f"{name} is needed for this message.")


def _too_long(name: str) -> FieldProblem:
    return FieldProblem(
        f"context.{name}",
        "too_long",
        f"{name} may have {_LONGEST_VALUE:,} characters in all: nobody reads more.",
    )


def _lock_template(*, name: str, channel: Channel, now: datetime) -> Template:
    """Created when it is new; the row lock gives versions their numbers one after another."""
    Template.objects.get_or_create(
        name=name, channel=channel, defaults={"created_at": now, "updated_at": now}
    )
    return Template.objects.select_for_update().get(name=name, channel=channel)


def _store(
    template: Template, draft: _Draft, *, newest: TemplateVersion | None, actor: str, now: datetime
) -> TemplateVersion:
    return TemplateVersion.objects.create(
        template=template,
        number=newest.number + 1 if newest is not None else 1,
        subject=draft.subject,
        preheader=draft.preheader,
        source_mjml=draft.mjml,
        html=draft.html,
        text=draft.text,
        variables=variables_as_json(draft.variables),
        checksum=draft.checksum,
        created_at=now,
        created_by=actor,
    )


def _check(
    *, subject: str, preheader: str, mjml: str, text: str, variables: Sequence[Mapping[str, Any]]
) -> _Draft:
    try:
        declared = parse_variables(variables)
    except ValueError as error:
        raise Invalid([FieldProblem("variables", "invalid_variables", str(error))]) from error
    parts: dict[Part, str] = {"subject": subject, "preheader": preheader, "text": text, "mjml": mjml}
    problems = [
        problem for part, source in parts.items() for problem in _part_problems(part, source, declared)
    ]
    if problems:
        raise Invalid(problems, detail="The template was not saved.")
    return _Draft(subject, preheader, mjml, text, declared, _compile_mjml(mjml))


def _part_problems(part: Part, source: str, declared: Sequence[Variable]) -> list[FieldProblem]:
    if part != "preheader" and not source.strip():
        return [FieldProblem(part, "required", f"A template needs its {part}.")]
    if part in {"subject", "preheader"} and len(source.splitlines()) > 1:
        return [FieldProblem(part, "one_line", f"The {part} must be one line.")]
    problems = mjml_problems(source) if part == "mjml" else []
    try:
        used = names_used(compile_source(source))
    except TemplateSyntaxError as error:
        problems.append(syntax_problem(error))
    else:
        known = {variable.name for variable in declared} | BUILT_IN_VARIABLES | ALWAYS_KNOWN
        known |= HTML_ONLY_VARIABLES if part == "mjml" else set()
        problems += [_undeclared(name, source) for name in sorted(used - known)]
    return [FieldProblem(part, problem.code, str(problem)) for problem in problems]


def _undeclared(name: str, source: str) -> SourceProblem:
    found = re.search(rf"\{{[{{%][^}}]*\b{re.escape(name)}\b", source)
    line = source.count("\n", 0, found.start()) + 1 if found else 0
    return SourceProblem(
        "undeclared_variable", line, f"{name} is not declared; declare it or correct the name."
    )


def _compile_mjml(source: str) -> str:
    """HTML with the template tags still inside. Raises Invalid."""
    try:
        html = str(mjml2html(source, fonts={}))
    except ValueError as error:
        position = _POSITION.search(str(error))
        line = source.encode()[: int(position[1])].count(b"\n") + 1 if position else 0
        said = str(error).replace(" in root template", "")
        problem = SourceProblem("mjml_invalid", line, f"MJML cannot read this: {said}.")
        raise _refused(problem) from error
    # An identifier that HTML does not need, and that reads like a foreign host.
    html = html.replace(' xmlns="http://www.w3.org/1999/xhtml"', "", 1)
    own_host = urlsplit(settings.CRM_PUBLIC_URL).netloc
    if foreign := foreign_resources(html, own_host=own_host):
        raise _refused(
            SourceProblem(
                "foreign_host", 0, f"Opening this mail would load from {', '.join(foreign)}. Remove it."
            )
        )
    try:
        compile_source(html)
    except TemplateSyntaxError as error:
        raise _refused(syntax_problem(error)) from error
    return html


def _refused(problem: SourceProblem) -> Invalid:
    return Invalid([FieldProblem("mjml", problem.code, str(problem))], detail="The template was not saved.")
