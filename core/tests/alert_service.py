"""A service that takes alerts: a real HTTP server for apprise's json:// addresses."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class AlertService:
    """`taken`: what it took. `status`: what it answers. `silent`: it takes connections and never answers."""

    def __init__(self):
        self.taken = []
        self.status = 200
        self.silent = threading.Event()
        self.closing = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if service.silent.is_set():
                    service.closing.wait()
                    return
                if service.status == 200:
                    service.taken.append(body)
                self.send_response(service.status)
                self.end_headers()

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"json://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
