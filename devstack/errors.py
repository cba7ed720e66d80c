"""What run.py says instead of a traceback."""


class StackError(Exception):
    """An anticipated failure: its text is for the person at the terminal and says what to do next."""


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived: stop in order. Not an Exception, so nothing swallows it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
