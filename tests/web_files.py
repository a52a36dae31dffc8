"""A web server on loopback that serves files of a configuration, with faults by setting."""
from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebFiles:
    """What is served.

    Attributes:
        text: {path: text}.
        fault: "" | "500" | "half" | "slow" | "endless" | "away" (redirects to a file).
        token: what a request must bear; "" for nothing.
        asked: paths that were asked for.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.text: dict[str, str] = {}
        self.fault = ""
        self.token = ""
        self.asked: list[str] = []
        self.release = threading.Event()


@contextmanager
def web_files() -> Iterator[WebFiles]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.asked.append(self.path)
            body = files.text.get(self.path, "").encode()
            if files.token and self.headers.get("Authorization") != f"Bearer {files.token}":
                self.send_error(401)
            elif files.fault == "500":
                self.send_error(500)
            elif self.path not in files.text:
                self.send_error(404)
            elif files.fault == "away":
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self._body(body)

        def _body(self, body: bytes) -> None:
            if files.fault == "half":
                self.wfile.write(body[: len(body) // 2])
            elif files.fault == "slow":
                for byte in body:
                    if files.release.wait(0.02):
                        return
                    self.wfile.write(bytes([byte]))
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    files = WebFiles(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield files
    finally:
        files.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
