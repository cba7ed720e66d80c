"""Files on their way in: decoded, fetched, looked into, scanned. All of it before a transaction begins (EML-11)."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.conf import settings

from communications.choices import MessageType
from communications.connectors.files import clamd
from communications.connectors.files.addresses import clamd_address, trusted_origins
from communications.connectors.files.fetcher import TOTAL_SECONDS, fetch_file, name_in
from communications.rules import blueprint
from communications.rules.files import (
    MEGABYTE,
    PDF,
    AttachedFile,
    FileRefused,
    check_file,
    check_message,
    without_clashes,
)
from communications.services import idempotency
from communications.services.commands import GivenAttachment, Submission, SubmitCommand
from core.database import DATABASE_AWAY
from core.errors import FieldProblem, Invalid, Unavailable
from core.logs import get_logger

log = get_logger("attachments")

Refusal = Invalid | Unavailable

_AT_ONCE: Final = 8
_SECONDS_FOR_ALL: Final = 30.0
_BYTES_FOR_ALL: Final = 100 * MEGABYTE
# Fetching holds one of a process's few threads for seconds: half of them stay free for others.
_MAX_FETCHING: Final = 2
_TURN_SECONDS: Final = 5.0
_fetching = threading.BoundedSemaphore(_MAX_FETCHING)


def collect(
    *, submissions: Sequence[Submission], caller: str, now: Callable[[], datetime]
) -> list[Submission | Refusal]:
    """The submissions with the files that belong to them, each for itself, in their order.

    Not in a transaction: it may take half a minute. Without attachments nothing is asked of anybody. What was asked
    for before under the same key is left as it is, for its answer is there already, whatever became of the address.
    `now` is asked only where there are files: in an outage of the database the demo's clock has no answer.
    """
    wanted = {place: given for place, each in enumerate(submissions) if (given := _given(each.command))}
    if not wanted:
        return list(submissions)
    for place in _answered(submissions, wanted, caller, now):
        del wanted[place]
    fetched = _fetch_all({each.url for given in wanted.values() for each in given if each.url is not None})
    return [
        _with_files(submission, wanted[place], fetched) if place in wanted else submission
        for place, submission in enumerate(submissions)
    ]


def _given(command: SubmitCommand) -> tuple[GivenAttachment, ...]:
    """The attachments, and the blueprint's address where nothing else of it comes along."""
    if command.files:
        return ()
    url = blueprint.url_of(command.context)
    if command.message_type is not MessageType.BLUEPRINT_DELIVERY or url is None:
        return command.attachments
    if command.attachments or blueprint.text_of(command.context) is not None:
        return command.attachments
    return (GivenAttachment(where=f"context.{blueprint.URL}", url=url),)


def _answered(
    submissions: Sequence[Submission], places: Collection[int], caller: str, now: Callable[[], datetime]
) -> set[int]:
    keys = {place: key for place in places if (key := submissions[place].idempotency_key) is not None}
    try:
        known = idempotency.known(keys=keys.values(), caller=caller, now=now())
    except DATABASE_AWAY:
        return set()  # the request may be spooled, with its files
    return {place for place, key in keys.items() if key.key in known}


@dataclass
class _Budget:
    """What the files of one call may take together."""

    deadline: float
    bytes_left: int = _BYTES_FOR_ALL

    def spend(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise FileRefused(
                f"The addresses of one call may lead to {_BYTES_FOR_ALL // MEGABYTE} MB in all. Split it into several.",
                code="too_much_to_fetch",
            )


_Fetched = Mapping[str, bytes | FileRefused]


def _fetch_all(urls: Collection[str]) -> _Fetched:
    """Raises Unavailable when too many others are fetching."""
    if not urls:
        return {}
    if not _fetching.acquire(timeout=_TURN_SECONDS):
        raise Unavailable("Too many files are being fetched right now. Try again after Retry-After seconds.")
    try:
        budget = _Budget(time.monotonic() + _SECONDS_FOR_ALL)
        with ThreadPoolExecutor(min(_AT_ONCE, len(urls)), thread_name_prefix="fetch") as pool:
            return dict(zip(urls, pool.map(lambda url: _fetch(url, budget), urls), strict=True))
    finally:
        _fetching.release()


def _fetch(url: str, budget: _Budget) -> bytes | FileRefused:
    try:
        content = fetch_file(
            url,
            trusted_origins=trusted_origins(settings.CRM_ATTACHMENT_TRUSTED_ORIGINS),
            seconds=min(TOTAL_SECONDS, budget.deadline - time.monotonic()),
        )
        budget.spend(len(content))
    except FileRefused as refusal:
        log.info("file not fetched", error_code=refusal.code)
        return refusal
    return content


def _with_files(
    submission: Submission, given: Sequence[GivenAttachment], fetched: _Fetched
) -> Submission | Refusal:
    files: list[AttachedFile] = []
    problems: list[FieldProblem] = []
    try:
        for each in given:
            try:
                files.append(_checked(each, fetched, files))
            except FileRefused as refusal:
                problems.append(FieldProblem(each.where, refusal.code, refusal.detail))
        if not problems:
            check_message(files)
    except FileRefused as refusal:
        problems.append(FieldProblem("attachments", refusal.code, refusal.detail))
    except Unavailable as away:
        return away
    if problems:
        return Invalid(problems)
    return replace(submission, command=replace(submission.command, files=without_clashes(files)))


def _checked(given: GivenAttachment, fetched: _Fetched, before: Iterable[AttachedFile]) -> AttachedFile:
    content = given.content if given.url is None else fetched[given.url]
    if isinstance(content, FileRefused):
        raise content
    is_blueprint = given.where == f"context.{blueprint.URL}"
    name = given.filename or (name_in(given.url) if given.url and not is_blueprint else None)
    file = check_file(
        content or b"",
        name=name or ("blueprint" if is_blueprint else None),
        only=PDF if is_blueprint else None,
    )
    if any(file.digest == each.digest for each in before):
        raise FileRefused("This file is attached already. Leave one of them out.", code="duplicate_file")
    _scan(file)
    return file


def _scan(file: AttachedFile) -> None:
    address = clamd_address(settings.CRM_CLAMD)
    if address is None:
        return
    try:
        clamd.scan(file.content, clamd=address)
    except clamd.ScannerAway as error:
        log.error("virus scanner away", error_code=str(error))
        raise Unavailable(
            "Files cannot be checked for viruses right now, so none are taken. Nothing was stored; try again after "
            "Retry-After seconds."
        ) from error
