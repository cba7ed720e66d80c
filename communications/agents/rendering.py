"""Compiles and fills in the parts of a template version, in an engine of their own.

The engine has no loaders, no tags but those of `template_language`, and refuses what it cannot resolve:
a name without a value raises instead of leaving a blank.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import escape
from threading import Lock
from typing import Any, ClassVar
from uuid import UUID

from django.template import Context, Engine, Template, TemplateSyntaxError
from django.template.base import Variable, VariableNode, render_value_in_context
from django.template.defaulttags import ForNode, IfNode, TemplateLiteral

from communications.models.template import TemplateVersion
from communications.rules.mjml_rules import SourceProblem
from communications.rules.template_rules import Variable as DeclaredVariable
from communications.rules.template_rules import parse_variables

_CACHED_VERSIONS = 256


class UnresolvedVariableError(Exception):
    """A template names something that has no value here."""


class _RaiseIfUnresolved(str):
    """Django puts this where a name has no value, or asks it for a text with the name in it."""

    __slots__ = ()

    def __contains__(self, _part: object) -> bool:
        return True

    def __mod__(self, _name: object) -> str:
        raise UnresolvedVariableError("a variable of the template has no value")


class _MessageEngine(Engine):
    """Django's own tags (include, load, url, csrf_token …) are not built in here."""

    default_builtins: ClassVar[list[str]] = []


# Django's lookups return the marker itself for a callable that may not be called; the output is searched.
_UNRESOLVED = "\ufdd0unresolved\ufdd0"
_ENGINE = _MessageEngine(
    loaders=[],
    builtins=["communications.agents.template_language"],
    string_if_invalid=_RaiseIfUnresolved(_UNRESOLVED),
)


@dataclass(frozen=True)
class CompiledVersion:
    variables: tuple[DeclaredVariable, ...]
    subject: Template
    preheader: Template
    text: Template
    html: Template


class _ValueNode(VariableNode):
    """Django's, with a short way for plain text and whole numbers, which is what messages print. Escapes alike."""

    def render(self, context: Context) -> str:
        value = self.filter_expression.resolve(context)
        if type(value) is str:
            return escape(value) if context.autoescape else value
        if type(value) is int:
            return str(value)
        return render_value_in_context(value, context)


class _PlainName(Variable):
    """Django's, with a short way for a name without dots whose value is one of `_PLAIN`: most of what messages print
    and ask for. The others may have to be called, or looked for in other places."""

    __slots__ = ()

    def resolve(self, context: Any) -> Any:
        name = self.var
        for scope in reversed(context.dicts):
            if name in scope:
                value = scope[name]
                if type(value) in _PLAIN:
                    return value
                break
        return super().resolve(context)


_PLAIN = frozenset({str, int, float, bool, type(None), list, tuple, date, Decimal})


def compile_source(source: str) -> Template:
    """Raises TemplateSyntaxError; `token.lineno` of it is the line, where Django knows one."""
    template = Template(source, engine=_ENGINE)
    for node in template.nodelist.get_nodes_by_type(VariableNode):
        node.__class__ = _ValueNode
    for expression in _expressions(template.nodelist):
        for variable in _variables(expression):
            if variable.lookups is not None and len(variable.lookups) == 1 and not variable.translate:
                variable.__class__ = _PlainName
    return template


def syntax_problem(error: TemplateSyntaxError) -> SourceProblem:
    """The author's view of a failed `compile_source`."""
    token = getattr(error, "token", None)
    line = token.lineno if token is not None else 0
    words = token.contents.split() if token is not None else []
    if str(error).startswith("Invalid block tag") and words:
        return SourceProblem(
            "template_tag", line, f"{{% {words[0]} %}} is not available in a message template."
        )
    return SourceProblem("template_syntax", line, str(error).rstrip(".") + ".")


def fill(template: Template, values: Mapping[str, Any], *, escape: bool) -> str:
    """Raises UnresolvedVariableError when a name has no value. `escape` for HTML."""
    output = template.render(Context(dict(values), autoescape=escape))
    if _UNRESOLVED in output:
        raise UnresolvedVariableError("a variable of the template has no value")
    return output


def names_used(template: Template) -> set[str]:
    """The names that must come from outside: loop variables are not among them."""
    return set(_names(template.nodelist, frozenset()))


def _names(nodes: Any, local: frozenset[str]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ForNode):
            yield from _expression_names(node.sequence, local)
            yield from _names(node.nodelist_loop, local | {"forloop", *node.loopvars})
            yield from _names(node.nodelist_empty, local)
        else:
            for expression in _own_expressions(node):
                yield from _expression_names(expression, local)
            for branch in _branches(node):
                yield from _names(branch, local)


def _expressions(nodes: Any) -> Iterator[Any]:
    """All of a template."""
    for node in nodes:
        yield from _own_expressions(node)
        for branch in _branches(node):
            yield from _expressions(branch)


def _own_expressions(node: Any) -> Iterator[Any]:
    if isinstance(node, VariableNode):
        yield node.filter_expression
    elif isinstance(node, ForNode):
        yield node.sequence
    elif isinstance(node, IfNode):
        for condition, _ in node.conditions_nodelists:
            yield from _operands(condition)


def _branches(node: Any) -> Iterator[Any]:
    if isinstance(node, ForNode):
        yield from (node.nodelist_loop, node.nodelist_empty)
    elif isinstance(node, IfNode):
        yield from (branch for _, branch in node.conditions_nodelists)


def _operands(condition: Any) -> Iterator[Any]:
    """A condition of `{% if %}` is a tree of operators; None stands for `{% else %}`."""
    if isinstance(condition, TemplateLiteral):
        yield condition.value
    elif condition is not None:
        yield from _operands(getattr(condition, "first", None))
        yield from _operands(getattr(condition, "second", None))


def _expression_names(expression: Any, local: frozenset[str]) -> Iterator[str]:
    for variable in _variables(expression):
        if variable.lookups and variable.lookups[0] not in local:
            yield variable.lookups[0]


def _variables(expression: Any) -> Iterator[Variable]:
    """Of a FilterExpression: its own variable and those among the arguments of its filters."""
    arguments = [argument for _, given in expression.filters for is_name, argument in given if is_name]
    for variable in (expression.var, *arguments):
        if isinstance(variable, Variable):
            yield variable


class _CompiledVersions:
    """The last versions used, by id: a version never changes. Shared by the threads of a process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._compiled: OrderedDict[UUID, CompiledVersion] = OrderedDict()

    def get(self, version: TemplateVersion) -> CompiledVersion:
        with self._lock:
            if (known := self._compiled.get(version.id)) is not None:
                self._compiled.move_to_end(version.id)
                return known
        compiled = CompiledVersion(
            variables=parse_variables(version.variables),
            subject=compile_source(version.subject),
            preheader=compile_source(version.preheader),
            text=compile_source(version.text),
            html=compile_source(version.html),
        )
        with self._lock:
            self._compiled[version.id] = compiled
            while len(self._compiled) > self._size:
                self._compiled.popitem(last=False)
        return compiled


_compiled_versions = _CompiledVersions(_CACHED_VERSIONS)


def compiled(version: TemplateVersion) -> CompiledVersion:
    return _compiled_versions.get(version)
