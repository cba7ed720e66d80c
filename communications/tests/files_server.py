"""Real servers for tests of files: one that offers them by HTTP in good and bad ways, and a clamd that scans."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

from PIL import Image

INFECTED = b"EICAR-like"


def a_pdf(words: bytes = b"hello") -> bytes:
    return b"%PDF-1.7\n% " + words + b"\ntrailer\n<<>>\n%%EOF\n"


def a_png(size: tuple[int, int] = (4, 4)) -> bytes:
    return _image("PNG", size)


def a_jpeg(size: tuple[int, int] = (4, 4)) -> bytes:
    return _image("JPEG", size)


def _image(kind: str, size: tuple[int, int]) -> bytes:
    written = BytesIO()
    Image.new("RGB", size).save(written, kind)
    return written.getvalue()


class FileServer:
    """`origin` is where it is. Paths: see `_Handler`. `asked` counts calls by path."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.asked: list[str] = []
        server.owner = self

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def offers(self, path: str, content: bytes) -> str:
        self.files[path] = content
        return f"{self.origin}{path}"

    def redirects_to(self, path: str, url: str) -> str:
        self.redirects[path] = url
        return f"{self.origin}{path}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        owner: FileServer = self.server.owner
        path = self.path.partition("?")[0]
        owner.asked.append(path)
        if path in owner.redirects:
            self._head(302, {"Location": owner.redirects[path], "Content-Length": "0"})
        elif path in owner.files:
            content = owner.files[path]
            self._head(200, {"Content-Length": str(len(content))})
            self.wfile.write(content)
        else:
            getattr(self, f"do_{path.strip('/')}", self._missing)()

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _missing(self) -> None:
        self._head(404, {"Content-Length": "0"})

    def do_drip(self) -> None:
        """A byte now and then, for ever."""
        self._head(200, {"Content-Length": "1000"})
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"%")
                self.wfile.flush()
                time.sleep(0.05)

    def do_drip_headers(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.wfile.write(b"X-More: 1\r\n")
                self.wfile.flush()
                time.sleep(0.05)

    def do_huge_length(self) -> None:
        self._head(200, {"Content-Length": str(10**15)})

    def do_endless(self) -> None:
        """More than any length says, because it says none."""
        self._head(200, {})
        with contextlib.suppress(OSError):
            for _ in range(400):
                self.wfile.write(b"x" * 65_536)

    def do_short(self) -> None:
        """Less than was announced."""
        self._head(200, {"Content-Length": "5000"})
        self.wfile.write(b"%PDF-1.7 cut")

    def do_understated(self) -> None:
        """More than was announced."""
        content = a_pdf(b"x" * 500)
        self._head(200, {"Content-Length": "100"})
        self.wfile.write(content)

    def do_packed(self) -> None:
        self._head(200, {"Content-Encoding": "gzip", "Content-Length": "3"})
        self.wfile.write(b"\x1f\x8b\x08")

    def do_loop(self) -> None:
        self._head(302, {"Location": "/loop", "Content-Length": "0"})

    def do_nonsense(self) -> None:
        self.wfile.write(b"\x00\x01nonsense\r\n\r\n")

    def log_message(self, *_args: object) -> None:
        pass


@contextlib.contextmanager
def file_server() -> Iterator[FileServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield FileServer(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Clamd:
    """Speaks INSTREAM as clamd does. `scanned` holds what it got; `mode`: well, away (hangs up), full."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.scanned: list[bytes] = []
        self.mode = "well"

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, struct.error):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        if self.mode == "away" or stream.read(10) != b"zINSTREAM\0":
            return
        content = b""
        while size := struct.unpack("!L", stream.read(4))[0]:
            content += stream.read(size)
        self.scanned.append(content)
        if self.mode == "full":
            connection.sendall(b"INSTREAM size limit exceeded. ERROR\0")
        elif INFECTED in content:
            connection.sendall(b"stream: Eicar-Test-Signature FOUND\0")
        else:
            connection.sendall(b"stream: OK\0")


@contextlib.contextmanager
def running_clamd() -> Iterator[Clamd]:
    listener = socket.create_server(("127.0.0.1", 0))
    clamd = Clamd(listener)
    thread = threading.Thread(target=clamd.serve, daemon=True)
    thread.start()
    try:
        yield clamd
    finally:
        # Closing alone does not wake who waits in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)
