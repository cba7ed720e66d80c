"""`python -m sandbox --state-dir DIR`: runs until SIGTERM or SIGINT."""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

from sandbox.server import Config, PortInUseError, Server
from sandbox.smtp.store import StateInUseError


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535; 0 takes a free one")
    return port


def _read_arguments() -> Config:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Local stand-ins of the providers."
    )
    parser.add_argument("--state-dir", type=Path, required=True, help="where caught mails are kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--http-port", type=_port, default=0, help="control API and pages (default: a free one)"
    )
    parser.add_argument("--smtp-port", type=_port, default=0, help="SMTP catcher (default: a free one)")
    parser.add_argument("--twilio-port", type=_port, default=0, help="Twilio's API (default: a free one)")
    parser.add_argument("--telnyx-port", type=_port, default=0, help="Telnyx's API (default: a free one)")
    parser.add_argument(
        "--webhooks-url", default="", help="where the product takes callbacks (default: nobody is told)"
    )
    return Config(**vars(parser.parse_args()))


async def _run(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(config)
    await server.start()
    try:
        sys.stdout.write(json.dumps(server.facts()) + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await server.stop()


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    config = _read_arguments()
    try:
        asyncio.run(_run(config))
    except (PortInUseError, StateInUseError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"The state directory cannot be used: {error}. Give another with --state-dir.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
