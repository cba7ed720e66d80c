"""Calls of the product's API and of the sandbox over HTTP, as any other program would make them."""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from devstack.errors import StackError

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


@dataclass(frozen=True)
class ApiClient:
    """One base address and, where it is needed, one bearer token."""

    base_url: str
    token: str = ""

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON of a 200; anything else is a StackError with what the server said."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        return self._expect(self.request("GET", path + query), path, {200})

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON of a 200, 201 or 202; anything else is a StackError with what the server said."""
        return self._expect(self.request("POST", path, body), path, {200, 201, 202})

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Any answer with JSON in it, whatever its status. No answer is a StackError."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        order = urllib.request.Request(self.base_url + path, data=data, headers=headers, method=method)
        try:
            # No proxy: everything the stack talks to is on this machine.
            with _DIRECT.open(order, timeout=TIMEOUT_SECONDS) as answer:
                return Answer(answer.status, _parse(answer.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _parse(error.read()))
        except OSError as error:
            raise StackError(f"{method} {self.base_url}{path} was not answered: {error}.") from None

    def _expect(self, answer: Answer, path: str, statuses: set[int]) -> Any:
        if answer.status in statuses:
            return answer.body
        said = json.dumps(answer.body, indent=2, ensure_ascii=False)
        raise StackError(f"{self.base_url}{path} answered {answer.status}:\n{said}")


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
