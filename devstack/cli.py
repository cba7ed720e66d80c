"""The commands of run.py: parse, do, and turn anticipated failures into sentences."""

import argparse
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from devstack import console
from devstack.bench import BenchOptions, run_benchmarks, unknown_name
from devstack.check import run_checks
from devstack.demo import run_demo
from devstack.environment import ensure_environment
from devstack.errors import Interrupted, StackError
from devstack.program import TIER_TASK, Program
from devstack.project_settings import inherited
from devstack.stack import Stack, start_services, start_stack
from devstack.state import RUNNING, State, is_in_use
from devstack.supervisor import ROOT, STOP_SIGNALS, Supervisor

PASS_THROUGH = {"test", "manage"}
CHOOSES_WORKERS = ("-n", "--numprocesses", "--pdb", "--trace")


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code."""
    return guarded(lambda: _dispatch(arguments))


def guarded(command: Callable[[], int]) -> int:
    """Runs a command so that signals stop it in order and anticipated failures become sentences."""
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, _interrupt)
    try:
        return command()
    except StackError as error:
        console.say(f"\n{error}")
        return 1
    except Interrupted as interruption:
        return 128 + interruption.signal_number


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


def _dispatch(arguments: list[str]) -> int:
    if arguments and arguments[0] in PASS_THROUGH:
        return {"test": _test, "manage": _manage}[arguments[0]](arguments[1:])
    options = _parser().parse_args(arguments)
    if options.command == "bench":
        return _bench(options)
    if options.command == "check":
        return run_checks(ensure_environment(ROOT))
    with Supervisor(_state()) as supervisor:
        stack = start_stack(supervisor, ensure_environment(ROOT))
        try:
            return _demo(stack, options) if options.command == "demo" else _up(stack, options)
        finally:
            supervisor.state.remove(RUNNING)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py", description="The CRM communication engine on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo", help="start everything and run a planning workflow for several clients"
    )
    demo.add_argument("--exit", action="store_true", help="stop after the workflow; exit code 0 or 1")
    up = commands.add_parser("up", help="start everything, without demo data")
    commands.add_parser("check", help="lint, types, migrations, deploy check, OpenAPI drift")
    bench = commands.add_parser("bench", help="measure; see docs/performance.md")
    bench.add_argument("name", nargs="?", metavar="NAME")
    bench.add_argument("--size", type=int, metavar="N", help="how many messages, instead of the default")
    bench.add_argument("--full", action="store_true", help="as many as the goals name; takes long")
    bench.add_argument("--seed", type=int, metavar="N", help="of an earlier `bench faults`, to repeat it")
    for command in (demo, up, bench):
        command.add_argument(
            "--json", action="store_true", help="results as one line of JSON on standard output"
        )
    commands.add_parser("test", help="run the tests; further arguments go to pytest", add_help=False)
    commands.add_parser("manage", help="manage.py in this environment, with its arguments", add_help=False)
    return parser


def _bench(options: argparse.Namespace) -> int:
    wanted = BenchOptions(options.name, options.json, options.size, options.full, options.seed)
    refusal = unknown_name(wanted)
    if refusal:
        print(refusal)
        return 2
    return run_benchmarks(ensure_environment(ROOT), wanted, _state("bench").root)


def _state(*below: str) -> State:
    given = os.environ.get("CRM_STATE_DIR")
    return State((Path(given).expanduser() if given else ROOT / ".state").absolute().joinpath(*below))


def _up(stack: Stack, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(stack.summary()), flush=True)
    else:
        print(
            f"Open    {stack.url}/   {stack.staff['username']} / {stack.staff['password']}\n"
            f"API     {stack.url}/api/crm/   docs at {stack.url}/api/crm/docs\n"
            f"Mails   {stack.sandbox_url}/smtp/\n"
            f"Logs    {stack.supervisor.state.logs}",
            flush=True,
        )
    return _serve(stack)


def _demo(stack: Stack, options: argparse.Namespace) -> int:
    code = run_demo(stack, as_json=options.json)
    return code if options.exit else _serve(stack)


def _serve(stack: Stack) -> int:
    """Until Ctrl-C, which is the ordinary end of it."""
    console.say("\nCtrl-C stops everything.")
    try:
        stack.supervisor.watch()
    except Interrupted:
        console.say("\nStopping …")
    return 0


def _test(arguments: list[str]) -> int:
    """All tests against PostgreSQL and Valkey of their own, so that they can run beside a running stack."""
    environment = ensure_environment(ROOT)
    chosen = any(argument.startswith(CHOOSES_WORKERS) or "no:xdist" in argument for argument in arguments)
    workers = [] if chosen else ["-n", "2"]
    with Supervisor(_state("test")) as supervisor:
        settings = start_services(supervisor, environment, throwaway=True)
        argv = [str(environment.python), "-m", "pytest", *workers, *arguments]
        return _exit_code(supervisor.foreground(Program("pytest", argv, settings, ROOT, tier=TIER_TASK)))


def _manage(arguments: list[str]) -> int:
    """Beside a running stack with its services, otherwise with PostgreSQL and Valkey for its time."""
    environment = ensure_environment(ROOT)
    argv = [str(environment.python), "manage.py", *arguments]
    state = _state()
    running = state.read(RUNNING)
    if running and is_in_use(state):
        os.chdir(ROOT)
        os.execve(argv[0], argv, {**inherited(), **running["settings"]})
    with Supervisor(state) as supervisor:
        settings = start_services(supervisor, environment)
        return _exit_code(supervisor.foreground(Program("manage", argv, settings, ROOT, tier=TIER_TASK)))


def _exit_code(code: int) -> int:
    return 128 - code if code < 0 else code
