"""A small IMAP server over TLS, for one folder: what a client of RFC 9051 needs to sign in, search, fetch and flag."""

import datetime
import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

USER, PASSWORD, FOLDER = "bounces", 'pass "word"', "In Box"


@dataclass
class Box:
    """Mails by UID from 1, with their flags; `asked` are the commands that came."""

    mails: list[bytes] = field(default_factory=list)
    flags: dict[int, set[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hang_up_at: str = ""
    port: int = 0

    def add(self, raw: bytes) -> int:
        self.mails.append(raw)
        return len(self.mails)

    def seen(self, uid: int) -> bool:
        return "\\Seen" in self.flags.get(uid, set())


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        box: Box = self.server.box  # type: ignore[attr-defined]
        self._say(b"* OK ready")
        while line := self.rfile.readline():
            tag, _, rest = line.decode().strip().partition(" ")
            box.asked.append(rest.split(" ")[0].upper() if not rest.upper().startswith("UID") else rest)
            if box.hang_up_at and box.hang_up_at in rest.upper():
                return
            self._say(f"{tag} {self._answer(box, rest)}".encode())
            if rest.upper().startswith("LOGOUT"):
                return

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")

    def _answer(self, box: Box, rest: str) -> str:
        command = rest.upper()
        if command.startswith("CAPABILITY"):
            self._say(b"* CAPABILITY IMAP4rev1")
        elif command.startswith("LOGIN"):
            quoted = PASSWORD.replace('"', '\\"')
            return "OK in" if rest == f'LOGIN {USER} "{quoted}"' else "NO who are you"
        elif command.startswith("SELECT"):
            self._say(f"* {len(box.mails)} EXISTS".encode())
            return "OK [READ-WRITE]" if rest == f'SELECT "{FOLDER}"' else "NO no such folder"
        elif command.startswith("UID SEARCH UNSEEN"):
            found = [str(uid) for uid in range(1, len(box.mails) + 1) if not box.seen(uid)]
            self._say(f"* SEARCH {' '.join(found)}".encode())
        elif found := re.match(r"UID FETCH (\d+) \((.+)\)", command):
            self._fetch(box, int(found[1]), found[2])
        elif found := re.match(r"UID STORE (\d+) \+FLAGS\.SILENT \((.+)\)", rest, re.IGNORECASE):
            box.flags.setdefault(int(found[1]), set()).update(found[2].split())
        elif command.startswith("LOGOUT"):
            self._say(b"* BYE")
        return "OK done"

    def _fetch(self, box: Box, uid: int, what: str) -> None:
        raw = box.mails[uid - 1]
        if what == "RFC822.SIZE":
            self._say(f"* {uid} FETCH (UID {uid} RFC822.SIZE {len(raw)})".encode())
        else:
            self.wfile.write(f"* {uid} FETCH (UID {uid} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n")


@contextmanager
def running_imap(folder: Path) -> Iterator[tuple[Box, Path]]:
    """The box and the certificate to trust. On localhost, at a free port."""
    certificate, key = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        box = Box()

        def get_request(self):
            connection, address = super().get_request()
            return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, request, client_address):
            """A client that trusts nobody ends the handshake: that is what some tests want."""

    with Server(("localhost", 0), _Handler) as server:
        server.box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.box, certificate
        server.shutdown()


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "imap.crt", folder / "imap.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths
