"""What people see while they wait: plain lines, and one live line on a terminal. All on standard error, so
that standard output carries results only."""

import shutil
import sys
import time

PLAIN_LINE_EVERY_SECONDS = 10.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Progress:
    """One long step. A terminal shows a line that changes; elsewhere a line at the start, every ten seconds
    and at the end."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._begun = time.monotonic()
        self._live = sys.stderr.isatty()
        self._plain_at = self._begun
        if not self._live:
            say(f"{title} …")

    def show(self, detail: str) -> None:
        seconds = time.monotonic() - self._begun
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            line = f"{self._title} … {seconds:.0f} s  {detail}"[:width]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._plain_at >= PLAIN_LINE_EVERY_SECONDS:
            self._plain_at = time.monotonic()
            say(f"  {seconds:.0f} s  {detail}")

    def end(self, result: str = "done") -> None:
        clear = "\r\x1b[K" if self._live else ""
        say(f"{clear}{self._title}: {result} ({time.monotonic() - self._begun:.1f} s)")
