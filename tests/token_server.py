"""A token endpoint on loopback, over https, that rotates refresh tokens and can go wrong."""
from __future__ import annotations

import base64
import json
import ssl
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs

from tests.unit.creds.made import token


class TokenServer:
    """Gives tokens for refresh tokens; as a context it serves in a thread.

    Attributes:
        refresh: the one refresh token that is good now.
        rotates: it gives another one with each answer, and the old one is worth nothing from then on.
        lasts_s: of the tokens.
        opaque: its tokens are no JSON web tokens.
        faults: what becomes of the next requests: ``500``, ``garbage``, ``lost`` (done, and never answered), ``empty``, ``redirect``.
        forms: what was asked, in order. given: the tokens, in order.
        on_token: called with each new token.
    """

    def __init__(self, certificate: Path | None, refresh: str = "refresh-0", *, rotates: bool = True, lasts_s: float = 3600.0) -> None:
        self.refresh = refresh
        self.rotates = rotates
        self.lasts_s = lasts_s
        self.opaque = False
        self.faults: deque[str] = deque()
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.given: list[str] = []
        self.on_token: Callable[[str], None] = lambda given: None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'http' if certificate is None else 'https'}://localhost:{self.port}"

    def __enter__(self) -> TokenServer:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, form: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        """Return what is said to one request; nothing (0) is said to one whose answer is lost."""
        with self._lock:
            self.forms.append(form)
            self.headers.append(headers)
            fault = self.faults.popleft() if self.faults else ""
            match fault:
                case "500":
                    return 500, b"out of order"
                case "garbage":
                    return 200, b"<html>log in to the network</html>"
                case "empty":
                    return 200, b"{}"
                case "redirect":
                    return 302, b""
            if form.get("grant_type") == "refresh_token" and form.get("refresh_token") != self.refresh:
                said = {"error": "invalid_grant", "error_description": f"unknown token {form.get('refresh_token')}"}
                return 400, json.dumps(said).encode()
            body = self._tokens()
            return (0, b"") if fault == "lost" else (200, json.dumps(body).encode())

    def _tokens(self) -> dict[str, object]:
        made = f"opaque-{len(self.given)}" if self.opaque else token(self.lasts_s)
        self.given.append(made)
        self.on_token(made)
        body: dict[str, object] = {"access_token": made, "token_type": "Bearer", "expires_in": self.lasts_s, "id_token": f"id-{made}"}
        if self.rotates:
            self.refresh = body["refresh_token"] = f"refresh-{len(self.given)}"  # type: ignore[assignment]
        return body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(200, json.dumps({"token_endpoint": f"{outer.url}/token"}).encode())

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(raw).items()}
                self._say(*outer.answer(form, dict(self.headers)))

            def _say(self, status: int, body: bytes) -> None:
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{outer.url}/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def basic(headers: dict[str, str]) -> str:
    """Return ``client:secret`` of the Authorization header."""
    return base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
