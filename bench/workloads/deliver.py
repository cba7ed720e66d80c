"""PERF-1: due e-mails to an SMTP server, by two workers, beside a bare loop and django-post_office in the same run.

The bare loop goes before and after ours, so that what else the machine does meanwhile weighs on both.
"""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.children import children, race
from bench.figures import Figure
from bench.rows import copy_models, make_models
from bench.workbench import Bench
from communications.agents.email import ComposedText, compose_html
from communications.choices import Urgency
from communications.selectors.sending import load_jobs
from communications.services.composing import facts_of
from devstack.errors import StackError

WORKERS = 2
MESSAGES = 10_000


def measure(bench: Bench) -> Figure:
    messages = bench.size.messages(MESSAGES)
    bench.progress.show(f"filling {messages} rows")
    template = _fill(messages, bench.installation.supervisor.state.run / "bare-template.json")
    bench.progress.show("bare loop")
    before = _bare(template, messages // 2, bench)
    bench.progress.show(f"our workers, {messages} messages")
    ours, ends = _ours(messages, bench)
    bench.progress.show("bare loop again")
    bare = (before + _bare(template, messages // 2, bench)) / 2
    bench.progress.show("django-post_office")
    other = _post_office(template, max(messages // 4, 10), bench)
    return Figure(
        id="PERF-1",
        value=ours,
        unit="messages/s",
        limit=bare,
        goal=0.8,
        also_ok=other is not None and ours >= 2.5 * other,
        extra={
            "vs_post_office": round(ours / other, 3) if other else None,
            "post_office": round(other, 1) if other else None,
            "messages": messages,
            "html_bytes": _size_of_html(template),
            "memory_mb": max((end["megabytes"][-1][1] for end in ends if end["megabytes"]), default=0.0),
        },
    )


def _fill(messages: int, path: Path) -> Path:
    """Rows for us, and for the others the HTML of one of them with its values as variables again."""
    models = make_models(urgency=Urgency.NORMAL)
    copy_models(models, total=messages)
    path.write_text(json.dumps(_plain_template(models[0].communication_id)))
    return path


def _plain_template(communication_id: Any) -> dict[str, Any]:
    """What the product sends for this row, written as an ordinary Django template: the same bytes to fill."""
    (job,) = load_jobs([communication_id])
    content = job.content()
    zone = content.pop("zone")
    html = compose_html(job.template_version, facts_of(job, zone), ComposedText(**content)).html or ""
    context = job.context()
    values = {name: str(context[name]) for name in ("client_name", "location", "event_type")}
    values["plan_id"] = job.row["plan_reference"]
    for name, value in values.items():
        html = html.replace(value, "{{ " + name + " }}")
    return {"html": html, "values": values, "text": content["text"], "subject": content["subject"]}


def _size_of_html(template: Path) -> int:
    return len(json.loads(template.read_text())["html"])


def _ours(messages: int, bench: Bench) -> tuple[float, list[dict[str, Any]]]:
    taken = bench.sink.counts()["taken"]
    with children(*[["bench.processes.dispatching"]] * WORKERS, env=bench.installation.settings) as workers:
        ends = race(workers)
    _expect(bench.sink.counts()["taken"] - taken, messages, "Our workers")
    return _rate(ends), ends


def _bare(template: Path, messages: int, bench: Bench) -> float:
    command = ["bench.processes.bare_loop", str(template), str(messages // WORKERS), str(bench.sink.port)]
    with children(*[command] * WORKERS, env=bench.installation.settings) as loops:
        return _rate(race(loops))


def _post_office(template: Path, messages: int, bench: Bench) -> float | None:
    """None when it is not installed."""
    if importlib.util.find_spec("post_office") is None:
        return None
    bench.installation.create_database("bench_post_office")
    env = bench.installation.settings | {
        "DJANGO_SETTINGS_MODULE": "bench.sites.post_office",
        "BENCH_DATABASE_URL": bench.installation.url_of("bench_post_office"),
    }
    taken = bench.sink.counts()["taken"]
    with children(["bench.processes.post_office", str(template), str(messages)], env=env) as sender:
        ends = race(sender)
    _expect(bench.sink.counts()["taken"] - taken, messages, "django-post_office")
    return _rate(ends)


def _rate(ends: Sequence[dict[str, Any]]) -> float:
    """All messages over the time of the slowest, committed outcomes included."""
    worked: int = sum(end["worked"] for end in ends)
    seconds: float = max(end["seconds"] for end in ends)
    return worked / seconds


def _expect(taken: int, messages: int, who: str) -> None:
    if taken != messages:
        raise StackError(f"{who} handed over {taken} messages instead of {messages}: nothing to compare.")
