"""A token is renewed whatever goes wrong on the way, at most once at a time, and nothing of it is ever said."""
from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_creds import oidc
from harvester_creds.oidc import OidcCredential, OidcSettings
from harvester_hpc.ports.credential import NotRenewed, Renewed
from tests.token_server import TokenServer, basic
from tests.unit.creds.made import by_openssl, context, put, token


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_openssl(tmp_path_factory.mktemp("server"), "-days", "2", "-addext", "subjectAltName=DNS:localhost")


@pytest.fixture
def server(certificate: Path) -> Iterator[TokenServer]:
    with TokenServer(certificate) as served:
        yield served


def settings(folder: Path, server: TokenServer, certificate: Path, **more: Any) -> OidcSettings:
    """Return settings with a refresh token that the server knows."""
    refresh = folder / "refresh"
    if not refresh.exists():
        put(refresh, f" {server.refresh}\n")
    given: dict[str, Any] = {
        "file": str(folder / "token"), "token_endpoint": f"{server.url}/token", "client_id": "us", "refresh_token_file": str(refresh),
        "ca_file": str(certificate), "timeout_s": 20.0,
    }
    return OidcSettings(**{**given, **more})


def made(folder: Path, server: TokenServer, certificate: Path, **more: Any) -> OidcCredential:
    wanted = settings(folder, server, certificate, **more)
    assert list(wanted.problems()) == []
    return OidcCredential(wanted, context(folder))


def renewed(credential: OidcCredential) -> Any:
    return credential.renew_credential(credential.check_credential().mark)


# -- a token on the disk ----------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}", "{}\n", "\r\n\t {} \n"])
@pytest.mark.parametrize("padding", ["", "x", "xx", "xxx"])
def test_the_end_of_a_token_is_read_whatever_its_length_and_white_space(tmp_path: Path, around: str, padding: str) -> None:
    until = float(int(time.time()) + 500)
    put(tmp_path / "token", around.format(token(exp=until, filler=padding)))
    found = OidcCredential(OidcSettings(file=str(tmp_path / "token")), context(tmp_path)).check_credential()
    assert (found.until, found.why, found.about) == (until, "", "https://iam.example.org")


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "..", "eyJ.eyJ.x", token(exp="soon"), token(exp=True), token(exp=1e300)], ids=[
    "no token of that kind", "three parts", "empty parts", "half", "a word", "no number", "too large"])
def test_a_token_that_does_not_say_its_end_has_none(tmp_path: Path, text: str) -> None:
    put(tmp_path / "token", text)
    found = OidcCredential(OidcSettings(file=str(tmp_path / "token")), context(tmp_path)).check_credential()
    assert (found.until, found.why) == (None, "")
    assert found.mark


def test_a_token_that_others_renew_is_another_one_at_once_and_is_not_renewed_by_us(tmp_path: Path) -> None:
    path = put(tmp_path / "token", token(10))
    credential = OidcCredential(OidcSettings(file=str(path)), context(tmp_path))
    first = credential.check_credential()
    put(tmp_path / "next", token(999)).replace(path)
    assert credential.check_credential().mark != first.mark
    assert not credential.renews
    assert renewed(credential) == NotRenewed(why="nobody told us how to renew it", remedy=f"write a new token to {path}", final=True)


# -- by the token endpoint ------------------------------------------------------------------------------


def test_a_token_is_given_for_a_refresh_token_and_both_are_kept_for_their_owner_alone(
    tmp_path: Path, server: TokenServer, certificate: Path
) -> None:
    secret = put(tmp_path / "secret", "p:w d\n".replace(" ", "%"))
    credential = made(tmp_path, server, certificate, client_secret_file=str(secret), scope="openid offline_access", audience="panda")
    assert renewed(credential) == Renewed()
    assert (tmp_path / "token").read_text().strip() == server.given[0]
    assert (tmp_path / "refresh").read_text().strip() == server.refresh == "refresh-1"
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir() if path.is_file()} == {0o600}
    assert server.forms == [
        {"grant_type": "refresh_token", "refresh_token": "refresh-0", "scope": "openid offline_access", "audience": "panda"}]
    assert basic(server.headers[0]) == "us:p%3Aw%25d"
    assert renewed(credential) == Renewed()
    assert len(set(server.given)) == 2


def test_a_client_without_a_refresh_token_asks_for_itself(tmp_path: Path, server: TokenServer, certificate: Path) -> None:
    secret = put(tmp_path / "secret", "pw")
    credential = made(tmp_path, server, certificate, refresh_token_file="", client_secret_file=str(secret), client_auth="post")
    assert renewed(credential) == Renewed()
    assert server.forms == [{"grant_type": "client_credentials", "client_id": "us", "client_secret": "pw"}]
    assert (tmp_path / "refresh").read_text().strip() == "refresh-0"


def test_the_issuer_names_its_endpoint_and_the_id_token_may_be_wanted(tmp_path: Path, server: TokenServer, certificate: Path) -> None:
    credential = made(tmp_path, server, certificate, token_endpoint="", issuer=server.url, use="id_token")
    assert renewed(credential) == Renewed()
    assert (tmp_path / "token").read_text().strip() == f"id-{server.given[0]}"


def test_the_end_that_a_server_says_of_a_token_that_does_not_is_remembered(
    tmp_path: Path, server: TokenServer, certificate: Path
) -> None:
    server.opaque = True
    assert renewed(made(tmp_path, server, certificate)) == Renewed()
    after_a_restart = made(tmp_path, server, certificate)
    assert after_a_restart.check_credential().until == pytest.approx(time.time() + 3600, abs=600)
    put(tmp_path / "token", "another")
    assert after_a_restart.check_credential().until is None


@pytest.mark.parametrize(("fault", "words"), [
    ("500", "answers 500"), ("garbage", "something else"), ("empty", "gives no access_token"), ("redirect", "answers 302"),
])
def test_a_server_that_is_out_of_order_costs_nothing(
    tmp_path: Path, server: TokenServer, certificate: Path, fault: str, words: str
) -> None:
    put(tmp_path / "token", "old")
    server.faults.append(fault)
    credential = made(tmp_path, server, certificate)
    failed = renewed(credential)
    assert isinstance(failed, NotRenewed)
    assert (words in failed.why, failed.final) == (True, False)
    assert (tmp_path / "token").read_text() == "old"
    assert (tmp_path / "refresh").read_text().strip() == "refresh-0"
    assert renewed(credential) == Renewed()
    assert len(server.forms) == 2, "a redirection is not followed"


def test_an_answer_that_is_lost_after_rotation_wants_a_person_who_is_told_why(
    tmp_path: Path, server: TokenServer, certificate: Path
) -> None:
    server.faults.append("lost")
    credential = made(tmp_path, server, certificate)
    first, second = renewed(credential), renewed(credential)
    assert not first.final
    assert second.final
    assert "was lost; perhaps it held a new refresh token" in second.why
    assert "log in again" in second.remedy
    server.rotates = False
    put(tmp_path / "refresh", server.refresh)
    assert renewed(credential) == Renewed()


def test_a_server_that_does_not_rotate_bears_a_lost_answer(tmp_path: Path, server: TokenServer, certificate: Path) -> None:
    server.rotates = False
    server.faults.append("lost")
    credential = made(tmp_path, server, certificate)
    assert not renewed(credential).final
    assert renewed(credential) == Renewed()


def test_a_revoked_refresh_token_wants_a_person(tmp_path: Path, server: TokenServer, certificate: Path) -> None:
    credential = made(tmp_path, server, certificate)
    server.refresh = "another"
    failed = renewed(credential)
    assert failed.final
    assert "refresh-0" not in failed.why, "the server's words held the token"


def test_a_missing_or_open_refresh_token_is_said_and_nobody_is_asked(tmp_path: Path, server: TokenServer, certificate: Path) -> None:
    credential = made(tmp_path, server, certificate)
    (tmp_path / "refresh").chmod(0o644)
    assert "others may read it" in renewed(credential).why
    (tmp_path / "refresh").unlink()
    assert "No such file" in renewed(credential).why
    assert server.forms == []


def test_a_server_that_nobody_vouches_for_is_told_nothing(tmp_path: Path, server: TokenServer, certificate: Path) -> None:
    failed = renewed(made(tmp_path, server, certificate, ca_file=""))
    assert "CERTIFICATE_VERIFY_FAILED" in failed.why
    assert renewed(made(tmp_path, server, certificate, token_endpoint=f"https://127.0.0.1:{server.port}/token")).why.count("mismatch") == 1
    assert server.forms == []


def test_threads_and_instances_that_ask_together_get_one_renewal(tmp_path: Path, server: TokenServer, certificate: Path) -> None:
    credentials = [made(tmp_path, server, certificate) for _ in range(4)]
    mark = credentials[0].check_credential().mark
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda one=one: answers.append(one.renew_credential(mark))) for one in (*credentials, *credentials)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [Renewed()] * 8
    assert len(server.forms) == 1


def test_a_refresh_token_that_the_disk_does_not_take_is_not_forgotten(
    tmp_path: Path, server: TokenServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = made(tmp_path, server, certificate)
    with monkeypatch.context() as patched:
        def full(path: Path, content: bytes) -> None:
            raise OSError(28, "No space left on device", str(path))

        patched.setattr(oidc, "put_secret", full)
        failed = renewed(credential)
        assert "No space left" in failed.why
        assert "refresh-1" not in repr(failed)
    assert (tmp_path / "refresh").read_text().strip() == "refresh-0"
    assert renewed(credential) == Renewed()
    assert [form["refresh_token"] for form in server.forms] == ["refresh-0", "refresh-1"]


def test_a_refresh_token_that_somebody_has_put_there_since_is_not_replaced_by_an_older_one(
    tmp_path: Path, server: TokenServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = made(tmp_path, server, certificate)
    with monkeypatch.context() as patched:
        def full(path: Path, content: bytes) -> None:
            raise OSError(28, "No space left on device", str(path))

        patched.setattr(oidc, "put_secret", full)
        assert isinstance(renewed(credential), NotRenewed)
    server.refresh = "of-a-new-login"
    put(tmp_path / "refresh", "of-a-new-login\n")
    assert renewed(credential) == Renewed()
    assert [form["refresh_token"] for form in server.forms] == ["refresh-0", "of-a-new-login"]


KILLED = """
import json, os, signal, sys
from pathlib import Path
from harvester_creds.oidc import OidcCredential, OidcSettings
from tests.unit.creds.made import context
folder, step, given = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
rename, fsync, left = Path.rename, os.fsync, [step]
def die():
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
def before_and_after(self, target):
    die()
    done = rename(self, target)
    die()
    return done
def synced(number):
    die()
    fsync(number)
Path.rename, os.fsync = before_and_after, synced
print(OidcCredential(OidcSettings(**given), context(folder)).renew_credential(""))
"""


def test_a_renewal_that_is_killed_anywhere_leaves_whole_files_that_can_be_renewed(
    tmp_path: Path, server: TokenServer, certificate: Path
) -> None:
    killed = 0
    for step in range(1, 40):
        folder = tmp_path / str(step)
        folder.mkdir()
        server.refresh = "refresh-0"
        wanted = settings(folder, server, certificate)
        given = json.dumps({name: getattr(wanted, name) for name in OidcSettings.__dataclass_fields__})
        done = subprocess.run(
            [sys.executable, "-c", KILLED, folder, str(step), given], capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for path in (folder / "token", folder / "refresh"):
            assert not path.exists() or path.read_text().strip() in (*server.given, "refresh-0", server.refresh), path
            assert not path.exists() or path.stat().st_mode & 0o777 == 0o600
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        killed += 1
        after = made(folder, server, certificate)
        if (folder / "refresh").read_text().strip() == server.refresh:
            assert after.renew_credential(after.check_credential().mark) == Renewed()
            assert not list(folder.glob(".*.new.*")), "what the killed one left is gone"
    # What is lost is lost before the refresh token is in its place: 2 steps of it.
    assert killed >= 8


# -- by a command -----------------------------------------------------------------------------------


def command(folder: Path, script: str, **more: Any) -> OidcCredential:
    path = put(folder / "refresh.sh", f"#!/bin/sh\n{script}\n", 0o755)
    given = OidcSettings(file=str(folder / "token"), **{"command": (str(path),), "timeout_s": 20.0, **more})
    return OidcCredential(given, context(folder))


def test_a_command_prints_a_token_or_writes_it(tmp_path: Path) -> None:
    new = token()
    assert renewed(command(tmp_path, f"echo; echo '{new} '")) == Renewed()
    assert (tmp_path / "token").read_text() == f"{new}\n"
    writes = command(tmp_path, 'umask 022; echo hush > "$2"', command=(str(tmp_path / "refresh.sh"), "-o", "${out}"))
    assert renewed(writes) == Renewed()
    assert (tmp_path / "token").read_text() == "hush\n"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [".token.lock", "refresh.sh", "token"]


@pytest.mark.parametrize(("script", "words", "final"), [
    ("exit 3", "ended with 3", False), ("true", "holds no token", False), ("echo one two", "holds no token", False),
    ("echo 'Enter passphrase:' >&2; read -r answer || exit 1", "Enter passphrase", True), ("kill -9 $$", "ended with -9", False),
    (f"echo {token(-10)}", "has ended already", False),
], ids=["fails", "says nothing", "says two words", "asks for a password", "is killed", "gives an old one"])
def test_a_command_that_fails_leaves_what_was_there(tmp_path: Path, script: str, words: str, final: bool) -> None:
    put(tmp_path / "token", "old")
    failed = renewed(command(tmp_path, script))
    assert words in failed.why
    assert failed.final is final
    assert (tmp_path / "token").read_text() == "old"


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    failed = renewed(command(tmp_path, f"sh -c 'echo $$ > {tmp_path}/child; exec sleep 600' & echo $$ > {tmp_path}/me; wait", timeout_s=1))
    assert "took longer than 1 s (timeoutS)" in failed.why
    for name in ("me", "child"):
        pid = int((tmp_path / name).read_text())
        end = time.monotonic() + 20
        while _lives(pid):
            assert time.monotonic() < end, f"{name} goes on"
            threading.Event().wait(0.05)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def test_nothing_that_a_command_or_server_says_shows_a_secret(
    tmp_path: Path, server: TokenServer, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = token()
    script = f"echo 'no luck with {secret}' >&2; echo 'Authorization: Bearer abcdef012345' >&2; echo '{secret}'; exit 1"
    failed = renewed(command(tmp_path, script))
    assert "no luck with (not shown)" in failed.why
    assert "abcdef012345" not in failed.why
    server.refresh = "another"
    other = made(tmp_path, server, certificate)
    said = f"{failed!r} {renewed(other)!r} {other.settings!r} {caplog.text}"
    assert secret not in said
    assert "refresh-0" not in said


# -- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "words"), [
    ({"file": "token"}, "file: must be an absolute path"), ({"command": ("/no/such/program",)}, "command: there is no program"),
    ({"token_endpoint": "http://iam.example.org/token", "client_id": "x", "refresh_token_file": "/r"}, "token_endpoint: must be https"),
    ({"token_endpoint": "https://user:pw@iam/token", "client_id": "x", "refresh_token_file": "/r"}, "token_endpoint: must look like"),
    ({"token_endpoint": "https://iam/token", "refresh_token_file": "/r"}, "client_id: is missing"),
    ({"token_endpoint": "https://iam/token", "client_id": "x"}, "refresh_token_file: is missing"),
    ({"refresh_token_file": "/r"}, "token_endpoint: is missing"), ({"ca_file": "/no/such"}, "ca_file: there is no file"),
    ({"file": "/r", "refresh_token_file": "/r", "issuer": "https://i", "client_id": "x"}, "file: would be overwritten"),
    ({"timeout_s": 0.0}, "timeout_s: must be"), ({"use": "x"}, "use: must be one of"), ({"client_auth": "x"}, "client_auth: must be"),
])
def test_settings_that_cannot_work_are_found_before_anything_starts(given: dict[str, Any], words: str) -> None:
    problems = list(OidcSettings(**{"file": "/t", **given}).problems())
    assert any(problem.startswith(words) for problem in problems), problems
