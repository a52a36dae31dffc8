"""What a section says of an account, and what a login does with it; no server is there."""
from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import ConfigurationError, CredentialRefused, Unavailable
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.registry import Registry
from harvester_hpc.secret_file import mark_of
from harvester_hpc.testing.fake_clock import FakeClock
from harvester_hpc.testing.fake_credential import FakeCredential
from harvester_rucio.account import AccountSettings
from harvester_rucio.credential import credential_problems, with_credential
from harvester_rucio.session import NeedsPerson, Sessions, certificate_problem
from tests.conftest import Require

HOST = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token, proxy or rucio.cfg of this machine counts."""
    for name in [name for name in os.environ if name.startswith(("RUCIO_", "BEARER_TOKEN", "X509_", "XDG_RUNTIME_DIR"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def _oidc(tmp_path: Path, **more: Any) -> Sessions:
    return Sessions(AccountSettings(**{"host": HOST, "account": "a", "auth_type": "oidc", **more}), tmp_path / "state")


@contextmanager
def _server(answers: Callable[[str, str], tuple[int, dict[str, str]]]) -> Iterator[str]:
    """Serve ``answers(path, token) -> (status, headers)`` on loopback; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers = answers(self.path, self.headers.get("X-Rucio-Auth-Token") or "")
            self.send_response(status)
            for name, value in {"Content-Length": "2", "Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_section_without_the_necessary_says_each_missing_key_at_once(tmp_path: Path) -> None:
    context = Context(instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    section = {"name": "rucio_download", "authType": "userpass", "mounts": {"x": "y"}, "tries": 0}
    with pytest.raises(ConfigurationError) as caught:
        Registry().load("preparator", section, context, where="q")
    lines = "\n".join(caught.value.problems)
    for key in ("q.host", "q.username", "q.passwordFile", "q.mounts", "q.tries"):
        assert f"{key}:" in lines, lines


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"host": "rucio.example.org"}, "host: must be an address"), ({"auth_type": "magic"}, "auth_type: must be one of"),
        ({"files_per_call": 501}, "files_per_call"), ({"timeout_s": 0.0}, "timeout_s"),
        ({"proxy": "relative"}, "proxy: must be an absolute"),
        ({"password_file": "/nowhere/password"}, "password_file: /nowhere/password cannot be read"),
    ],
)
def test_what_cannot_be_is_a_problem(wrong: dict[str, Any], word: str) -> None:
    good: dict[str, Any] = {"host": HOST, "account": "a", "auth_type": "oidc"}
    assert AccountSettings(**good).problems() == ()
    assert any(line.startswith(word) for line in AccountSettings(**{**good, **wrong}).problems())


def test_a_password_that_others_may_read_is_a_problem(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    settings = AccountSettings(host=HOST, auth_type="userpass", username="u", password_file=str(password))
    password.chmod(0o644)
    assert any("chmod 600" in line for line in settings.problems())
    password.chmod(0o600)
    assert settings.problems() == ()


def test_no_plugin_loads_the_library_before_it_is_needed() -> None:
    code = (
        "import sys, harvester_rucio.download, harvester_rucio.rule, harvester_rucio.upload, harvester_rucio.register\n"
        "sys.exit('rucio' in sys.modules or 'requests' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_without_an_oidc_token_nobody_is_asked_for_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rucio.common.utils.wlcg_token_discovery", lambda: None)
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    with pytest.raises(NeedsPerson, match="no OIDC token"), _oidc(tmp_path).asking("x"):
        pass


def test_an_oidc_token_comes_from_its_file_and_a_fresh_one_is_taken_when_the_old_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old.old.old\n")
    seen: list[str] = []

    def answers(path: str, token: str) -> tuple[int, dict[str, str]]:
        seen.append(token)
        if token == "old.old.old":
            file.write_text("new.new.new\n")
            return 401, {"ExceptionClass": "CannotAuthenticate", "ExceptionMessage": "expired"}
        return 200, {}

    with _server(answers) as host:
        sessions = _oidc(tmp_path, host=host, token_file=str(file))
        with sessions.asking("pinging") as client:
            client.whoami()
        assert sessions.token() == "new.new.new"
    assert seen == ["old.old.old", "new.new.new"]
    assert not any("new.new.new" in path.read_text() for path in (tmp_path / "state").glob("*") if path.is_file())


def test_an_oidc_token_that_is_refused_and_not_renewed_waits_for_a_person(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old.old.old")
    with _server(lambda *_: (401, {"ExceptionClass": "CannotAuthenticate"})) as host:
        with pytest.raises(NeedsPerson) as caught, _oidc(tmp_path, host=host, token_file=str(file)).asking("pinging") as client:
            client.whoami()
    assert "CannotAuthenticate" in caught.value.parked.why and "old.old" not in caught.value.parked.why


def test_a_token_file_that_is_not_there_waits_for_a_person(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="cannot be read"), _oidc(tmp_path, token_file=str(tmp_path / "none")).asking("x"):
        pass


def test_a_server_that_is_not_there_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    password = tmp_path / "password"
    password.write_text("secret")
    settings = AccountSettings(host=HOST, account="a", auth_type="userpass", username="u", password_file=str(password))
    with pytest.raises(Unavailable) as caught, Sessions(settings, tmp_path / "state").asking("pinging"):
        pass
    assert "secret" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_each_thread_has_a_client_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a.b.c")
    sessions = _oidc(tmp_path, token_file=str(file))
    found: list[Any] = []

    def take() -> None:
        for _ in range(2):
            with sessions.asking("x") as client:
                found.append(client)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in found}) == 2 and len(found) == 4


def test_the_library_gets_a_configuration_and_the_environment_does_not_keep_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a.b.c")
    with _oidc(tmp_path, token_file=str(file)).asking("x"):
        from rucio.common.config import get_config

        assert get_config() is not None
    assert "RUCIO_CONFIG" not in os.environ


@pytest.fixture
def proxy(tmp_path: Path, require: Require) -> Path:
    """A certificate that lasts for one day."""
    require("openssl", "openssl")
    path = tmp_path / "proxy.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test", "-keyout", str(tmp_path / "key"),
         "-out", str(path)], capture_output=True, timeout=60, check=True,
    )
    return path


def test_a_proxy_whose_time_is_over_waits_for_a_person(tmp_path: Path, proxy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert certificate_problem(proxy) == ""
    assert "cannot be read" in certificate_problem(tmp_path / "none")
    tomorrow = FakeClock()
    tomorrow.set(proxy.stat().st_mtime + 2 * 86_400)
    monkeypatch.setattr("harvester_rucio.session.SystemClock", lambda: tomorrow)
    assert "time is over" in certificate_problem(proxy)
    settings = AccountSettings(host=HOST, account="a", auth_type="x509_proxy", proxy=str(proxy))
    with pytest.raises(NeedsPerson) as caught, Sessions(settings, tmp_path / "state").asking("x"):
        pass
    assert "voms-proxy-init" in caught.value.parked.remedy




def _kept(tmp_path: Path, holds: str, content: str) -> Context:
    path = tmp_path / "kept"
    path.write_text(content)
    path.chmod(0o600)
    one = FakeCredential(FakeCredential.Settings(file=str(path), holds=holds), Context(
        instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local")))
    return Context(
        instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"), credentials={"rucio": one})


def test_a_refusal_of_a_kept_credential_names_it_and_its_content_and_a_renewed_one_is_taken(tmp_path: Path) -> None:
    context = _kept(tmp_path, "token", "old.old.old")

    def answers(path: str, token: str) -> tuple[int, dict[str, str]]:
        return (200, {}) if token == "new.new.new" else (401, {"ExceptionClass": "CannotAuthenticate", "ExceptionMessage": "expired"})

    with _server(answers) as host:
        settings = with_credential(AccountSettings(host=host, account="a", credential="rucio"), context)
        assert (settings.auth_type, settings.token_file) == ("oidc", str(tmp_path / "kept"))
        sessions = Sessions(settings, tmp_path / "state")
        with pytest.raises(CredentialRefused) as caught, sessions.asking("pinging") as client:
            client.whoami()
        assert (caught.value.credential, caught.value.mark) == ("rucio", mark_of(tmp_path / "kept"))
        assert "old.old" not in str(caught.value)
        (tmp_path / "kept").write_text("new.new.new")
        with sessions.asking("pinging") as client:
            client.whoami()
        (tmp_path / "kept").unlink()
        sessions.forget()
        with pytest.raises(CredentialRefused, match="cannot be read") as missing, sessions.asking("pinging"):
            pass
        assert missing.value.mark == ""


@pytest.mark.parametrize(("holds", "given", "words"), [
    ("token", {"credential": "rucoi"}, "there is no 'rucoi' in the section credentials of harvester.json; there is: rucio"),
    ("token", {"credential": "rucio", "token_file": "/t"}, "stands in the place of token_file"),
    ("proxy", {"credential": "rucio", "auth_type": "userpass"}, "is for authType x509_proxy, not userpass"),
    ("file", {"credential": "rucio"}, ""),
])
def test_a_credential_that_does_not_fit_is_a_problem(tmp_path: Path, holds: str, given: dict[str, Any], words: str) -> None:
    found = list(credential_problems(AccountSettings(host=HOST, account="a", **given), _kept(tmp_path, holds, "x")))
    assert [words in line for line in found] == [True] * bool(words)
