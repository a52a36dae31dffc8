"""A server behind an HTTP proxy: reached through a tunnel, with the server's own certificate."""
from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest

from harvester_hpc.errors import Unavailable
from harvester_local.served.server import ServedSystem, Service
from harvester_panda.address import Address
from harvester_panda.proxies import Proxy, parsed, proxy_for
from tests.unit.panda.served import communicator
from tests.unit.panda.test_credentials import LOOPBACK, SECRET, Authority

FAR = Address(host="panda.cern.ch", port=25443, secure=True)


class _Tunnel(StreamRequestHandler):
    server: Tunnels

    def handle(self) -> None:
        words = self.rfile.readline().decode().split()
        headers = dict(iter(lambda: tuple(self.rfile.readline().decode().strip().partition(": ")[::2]), ("", "")))
        self.server.asked.append((words[0], words[1], headers.get("Proxy-Authorization", "")))
        if self.server.answer != 200:
            self.wfile.write(f"HTTP/1.1 {self.server.answer} no\r\n\r\n".encode())
            return
        host, _, port = words[1].rpartition(":")
        with closing(socket.create_connection((host, int(port)), timeout=20)) as far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join(timeout=20)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 16):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


class Tunnels(ThreadingTCPServer):
    """A proxy on loopback that makes tunnels, or refuses to."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.asked: list[tuple[str, str, str]] = []
        self.answer = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def tunnels() -> Iterator[Tunnels]:
    with Tunnels() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield proxy
        proxy.shutdown()
        thread.join(timeout=20)


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "http_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[ServedSystem, dict[str, Any]]]:
    authority = Authority(tmp_path, "authority")
    token = tmp_path / "token"
    token.write_text(SECRET)
    token.chmod(0o600)
    service = Service(certificate=authority.certificate(LOOPBACK), token=SECRET)
    with ServedSystem(tmp_path, service) as served:
        yield served, {
            "url": f"https://localhost:{served.port}", "ca_file": str(authority.file), "token_file": str(token), "origin": "vo.production",
        }


def _greet(folder: Path, settings: Mapping[str, Any]) -> None:
    panda = communicator(folder, **settings)
    try:
        panda.is_alive({})
    finally:
        panda.close()


def test_the_server_is_reached_through_a_tunnel_and_the_proxy_sees_nothing_of_who_we_are(
    tmp_path: Path, tunnels: Tunnels, secured: tuple[ServedSystem, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, settings = secured
    _greet(tmp_path, {**settings, "proxy": tunnels.url.replace("//", "//me:pass%20word@")})
    assert tunnels.asked == [("CONNECT", f"localhost:{served.port}", "Basic bWU6cGFzcyB3b3Jk")]
    monkeypatch.setenv("HTTPS_PROXY", tunnels.url)
    _greet(tmp_path, settings)
    assert len(tunnels.asked) == 2
    _greet(tmp_path, {**settings, "proxy": "none"})
    monkeypatch.setenv("no_proxy", "elsewhere,localhost")
    _greet(tmp_path, settings)
    assert len(tunnels.asked) == 2


@pytest.mark.parametrize("answer", [403, 407, 502])
def test_a_proxy_that_refuses_is_told_apart_from_the_server(
    tmp_path: Path, tunnels: Tunnels, secured: tuple[ServedSystem, dict[str, Any]], answer: int
) -> None:
    tunnels.answer = answer
    with pytest.raises(Unavailable, match=f"{answer}.*proxy.*does not let us through") as caught:
        _greet(tmp_path, {**secured[1], "proxy": tunnels.url.replace("//", "//me:hidden@")})
    assert "hidden" not in f"{caught.value!r}{caught.value}"


def test_the_certificate_is_the_servers_and_not_the_proxys(
    tmp_path: Path, tunnels: Tunnels, secured: tuple[ServedSystem, dict[str, Any]]
) -> None:
    served, settings = secured
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        _greet(tmp_path, {**settings, "url": f"https://127.0.0.1:{served.port}", "proxy": tunnels.url})


@pytest.mark.parametrize(("environment", "address", "proxy"), [
    ({}, FAR, None), ({"https_proxy": "http://p:3128"}, FAR, ("p", 3128)), ({"HTTPS_PROXY": "p.centre"}, FAR, ("p.centre", 3128)),
    ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://large:2"}, FAR, ("small", 1)), ({"http_proxy": "http://p:1"}, FAR, None),
    ({"https_proxy": "http://p:1", "no_proxy": ".cern.ch"}, FAR, None), ({"https_proxy": "http://p:1", "NO_PROXY": "cern.ch"}, FAR, None),
    ({"https_proxy": "http://p:1", "no_proxy": "a, panda.cern.ch:25443"}, FAR, None),
    ({"https_proxy": "http://p:1", "no_proxy": "*"}, FAR, None),
    ({"https_proxy": "http://p:1", "no_proxy": "panda.cern.ch:443 ern.ch,,"}, FAR, ("p", 1)),
    ({"https_proxy": "http://p:1"}, Address(host="127.0.0.1", port=1, secure=False), None),
])
def test_the_environment_says_which_proxy(
    environment: Mapping[str, str], address: Address, proxy: tuple[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(address, "")
    assert (found and (found.host, found.port)) == proxy


@pytest.mark.parametrize("url", ["socks5://p:1", "https://p:1", "http://", "http://p:port", "http://:secret@:1"])
def test_what_is_no_proxy_is_said_without_its_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parsed(url)
    assert "secret" not in str(caught.value)
    assert "me:secret" not in repr(Proxy(host="p", port=1, headers={"Proxy-Authorization": "me:secret"}))
