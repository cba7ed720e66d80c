"""`run.py check`: what can be said about the code without running the tests. Two steps at a time, all of
them even when one fails, each with its time; a step that failed shows its output."""

import base64
import difflib
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from devstack.environment import Environment
from devstack.kernel import die_with_parent
from devstack.project_settings import inherited
from devstack.supervisor import ROOT

SIDE_BY_SIDE = 2
DIFFERENCE_LINES = 60
TEMPLATE_FOLDERS = ("templates", "*/templates", "*/content")


@dataclass(frozen=True)
class Step:
    """One command. `verify` looks at what a good end made, and answers what is wrong or nothing."""

    name: str
    argv: list[str]
    env: Mapping[str, str]
    verify: Callable[[], str] = str


@dataclass(frozen=True)
class Result:
    step: Step
    code: int
    output: str
    seconds: float


@dataclass
class _Running:
    step: Step
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]
    begun: float


def run_checks(environment: Environment) -> int:
    """Runs every step and prints a summary; 0 when all are clean, else 1."""
    with tempfile.TemporaryDirectory(prefix="crm-check-") as folder:
        return report(run_steps(project_steps(environment, Path(folder))))


def project_steps(environment: Environment, folder: Path) -> list[Step]:
    """The longest first, so that the others run beside it."""
    python = str(environment.python)
    development, production = _settings("development", folder), _settings("production", folder)
    schema = folder / "openapi.yaml"
    templates = [
        str(path) for pattern in TEMPLATE_FOLDERS for path in sorted(ROOT.glob(f"{pattern}/**/*.html"))
    ]
    spectacular = [python, "manage.py", "spectacular", "--file", str(schema), "--validate", "--fail-on-warn"]
    deploy = [python, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    migrations = [python, "manage.py", "makemigrations", "--check", "--dry-run"]
    steps = [
        Step("mypy", [environment.tool("mypy"), "."], development),
        Step(
            "OpenAPI drift",
            spectacular,
            development,
            lambda: differences(ROOT / "docs" / "openapi.yaml", schema),
        ),
        Step("deploy check", deploy, production),
        Step("migrations", migrations, development),
        Step("import-linter", [environment.tool("lint-imports"), "--no-logo"], development),
        Step("ruff check", [environment.tool("ruff"), "check", "."], development),
        Step("ruff format", [environment.tool("ruff"), "format", "--check", "."], development),
    ]
    if templates:
        djade = [environment.tool("djade"), "--check", "--target-version", "5.2", *templates]
        steps.append(Step("djade", djade, development))
    return steps


def _settings(kind: str, folder: Path) -> dict[str, str]:
    """Settings that only a check needs: strong throwaway secrets, names of a real-looking installation.

    Values of the caller are not used: the answer must not depend on whose machine it is.
    """
    ours = {
        "CRM_ENV": kind,
        "CRM_STATE_DIR": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "FIELD_ENCRYPTION_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "BLIND_INDEX_KEY": secrets.token_urlsafe(48),
        "LINK_SIGNING_KEYS": secrets.token_urlsafe(48),
        "DATABASE_URL": f"postgres://crm@/crm?host={folder}",
        "REDIS_URL": f"redis+socket://{folder}/valkey.sock",
        "CRM_PUBLIC_URL": "https://crm.planiva.example",
        "ALLOWED_HOSTS": "crm.planiva.example",
        "CRM_POSTAL_ADDRESS": "12 Rose Lane, Pune 411001, India",
        "CRM_SUPPORT_EMAIL": "support@planiva.example",
        "SMTP_HOST": "smtp.planiva.example",
        "SMTP_FROM_EMAIL": "hello@planiva.example",
    }
    prefixes = ("CRM_", "SMTP_", "TWILIO_", "TELNYX_", "WHATSAPP_", "DJANGO_", "EMAIL_")
    kept = {name: value for name, value in inherited().items() if not name.startswith(prefixes)}
    return kept | ours


def run_steps(steps: Sequence[Step]) -> list[Result]:
    """Runs the steps, at most two at a time, and prints each result when it is there."""
    waiting = list(steps)
    running: list[_Running] = []
    results: list[Result] = []
    try:
        while waiting or running:
            while waiting and len(running) < SIDE_BY_SIDE:
                running.append(_start(waiting.pop(0)))
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                results.append(_finish(each))
                _print(results[-1])
            time.sleep(0.05)
    finally:
        for each in running:
            each.process.kill()
            each.process.wait()
            each.output.close()
    return results


def _start(step: Step) -> _Running:
    output = tempfile.TemporaryFile()  # noqa: SIM115 - read and closed when the step has ended
    process = subprocess.Popen(
        step.argv,
        env=dict(step.env),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - this process has one thread
    )
    return _Running(step, process, output, time.monotonic())


def _finish(running: _Running) -> Result:
    running.output.seek(0)
    output = running.output.read().decode(errors="replace").strip()
    running.output.close()
    code = running.process.returncode
    if code == 0:
        wrong = running.step.verify()
        code, output = (1, wrong) if wrong else (0, output)
    return Result(running.step, code, output, time.monotonic() - running.begun)


def _print(result: Result) -> None:
    verdict = "ok" if result.code == 0 else "FAILED"
    print(f"{result.step.name:<16} {verdict:<7} {result.seconds:5.1f} s", flush=True)
    if result.code != 0:
        print("".join(f"    {line}\n" for line in result.output.splitlines()), flush=True)


def report(results: Sequence[Result]) -> int:
    """Prints the summary and returns the exit code."""
    failed = sorted(result.step.name for result in results if result.code != 0)
    if failed:
        print(f"\n{len(failed)} of {len(results)} steps failed: {', '.join(failed)}.")
        return 1
    print(f"\nAll {len(results)} steps are clean.")
    return 0


def differences(committed: Path, generated: Path) -> str:
    """What a reader has to know when the two files differ; nothing when they do not."""
    before = committed.read_text(encoding="utf-8").splitlines() if committed.exists() else []
    after = generated.read_text(encoding="utf-8").splitlines()
    lines = list(
        difflib.unified_diff(before, after, "docs/openapi.yaml", "generated from the code", lineterm="", n=2)
    )
    if not lines:
        return ""
    more = [f"… {len(lines) - DIFFERENCE_LINES} more lines"] if len(lines) > DIFFERENCE_LINES else []
    advice = "Renew it with: python3 run.py manage spectacular --file docs/openapi.yaml"
    return os.linesep.join(
        ["The API and docs/openapi.yaml differ.", advice, *lines[:DIFFERENCE_LINES], *more]
    )
