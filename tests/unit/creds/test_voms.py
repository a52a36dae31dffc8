"""A proxy is replaced by a whole one with the right attributes, or not at all."""
from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester_creds.voms import VomsCredential, VomsSettings, arguments
from harvester_hpc.ports.credential import Form, NotRenewed, Renewed
from harvester_hpc.testing.fakes import FakeClock
from tests.unit.creds.made import context, proxy, put

PROGRAM = """#!{python} -IS
import os, sys, time
here = {here!r}
with open(here + "/asked", "a") as stream:
    stream.write(" ".join(sys.argv[1:]) + " | " + os.environ.get("X509_USER_PROXY", "") + "\\n")
mode = open(here + "/mode").read()
whole = open(here + "/next", "rb").read()
out = sys.argv[sys.argv.index("-out" if "-out" in sys.argv else "-P") + 1]
def write(content):
    with open(out, "wb") as stream:
        stream.write(content)
if mode == "asks":
    print("Enter GRID pass phrase:", file=sys.stderr, flush=True)
    try:
        open("/dev/tty").read()
    except OSError:
        pass
    sys.exit(1 if not sys.stdin.read() else 0)
if mode == "fails":
    print("Error: could not contact VOMS server for atlas" , file=sys.stderr)
    sys.exit(1)
if mode == "hangs":
    write(whole[:300])
    time.sleep(600)
if mode == "half":
    write(whole[:len(whole) // 2])
elif mode == "no key":
    write(whole[:whole.index(b"-----BEGIN EC")])
elif mode != "nothing":
    write(whole)
print("Your proxy is valid until tomorrow")
"""


class Site:
    """A folder with a program that makes proxies, and what it does next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "proxy"
        (folder / "bin").mkdir()
        for name in ("voms-proxy-init", "arcproxy"):
            put(folder / "bin" / name, PROGRAM.format(python=sys.executable, here=str(folder)), 0o755)
        self.does("goes well", proxy())
        self.long = put(folder / "long", proxy(30 * 86400, with_voms=False))

    def does(self, mode: str, content: bytes | None = None) -> None:
        (self.folder / "mode").write_text(mode)
        if content is not None:
            (self.folder / "next").write_bytes(content)

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def settings(self, **more: Any) -> VomsSettings:
        given: dict[str, Any] = {
            "file": str(self.file), "vo": "atlas", "role": "production", "long_proxy": str(self.long), "timeout_s": 60.0,
        }
        return VomsSettings(**{**given, **more})

    def credential(self, **more: Any) -> VomsCredential:
        settings = self.settings(**more)
        assert list(settings.problems()) == []
        return VomsCredential(settings, context(self.folder))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return made


def renewed(credential: VomsCredential) -> Any:
    return credential.renew_credential(credential.check_credential().mark)


def test_a_proxy_is_made_of_a_long_one_and_says_its_time_and_that_of_its_source(site: Site) -> None:
    credential = site.credential(hours=12)
    missing = credential.check_credential()
    assert "No such file" in missing.why
    assert renewed(credential) == Renewed()
    found = credential.check_credential()
    assert found.until == pytest.approx(time.time() + 86400, abs=600)
    assert found.source_until == pytest.approx(time.time() + 30 * 86400, abs=600)
    assert (found.why, found.about) == ("", "/atlas/Role=production, /atlas")
    assert stat.S_IMODE(site.file.stat().st_mode) == 0o600
    (asked,) = site.asked
    words, _, variable = asked.partition(" | ")
    assert words.startswith("-rfc -voms atlas:/atlas/Role=production -valid 12:00 -out ")
    assert words.endswith(f"-cert {site.long} -key {site.long} -noregen")
    assert variable == str(site.long)
    assert sorted(path.name for path in site.folder.iterdir() if path.name.startswith(".")) == [".proxy.lock"]
    assert credential.form is Form.PROXY


def test_each_program_is_asked_in_its_own_words(site: Site) -> None:
    out = Path("/out")
    of_keys = site.settings(long_proxy="", certificate="/c", key="/k", role="", options=("-bits", "2048"))
    assert arguments(of_keys, out) == (
        ["voms-proxy-init", "-rfc", "-voms", "atlas", "-valid", "24:00", "-out", "/out", "-cert", "/c", "-key", "/k", "-bits", "2048"], {})
    arc = site.settings(program="/opt/arc/bin/arcproxy", group="/atlas/phys")
    argv, environment = arguments(arc, out)
    assert argv == ["/opt/arc/bin/arcproxy", "-S", "atlas:/atlas/phys/Role=production", "-c", "validityPeriod=24H", "-c",
                    "vomsACvalidityPeriod=24H", "-P", "/out", "-C", str(site.long), "-K", str(site.long)]
    assert environment == {}
    assert renewed(site.credential(program="arcproxy")) == Renewed()


@pytest.mark.parametrize(("mode", "words", "final"), [
    ("fails", "could not contact VOMS server", False), ("asks", "pass phrase", True), ("half", "no whole proxy", False),
    ("no key", "no whole proxy", False), ("nothing", "made no proxy", False), ("hangs", "took longer than 1 s", False),
])
def test_a_program_that_fails_leaves_the_old_proxy(site: Site, mode: str, words: str, final: bool) -> None:
    old = proxy(600)
    put(site.file, old)
    site.does(mode)
    failed = renewed(site.credential(timeout_s=1.0 if mode == "hangs" else 60.0))
    assert isinstance(failed, NotRenewed)
    assert words in failed.why
    assert failed.final is final
    assert b"PRIVATE" not in failed.why.encode()
    assert site.file.read_bytes() == old
    assert sorted(path.name for path in site.folder.iterdir() if path.name.startswith(".")) == [".proxy.lock"]


@pytest.mark.parametrize(("content", "words"), [
    (lambda: proxy(with_voms=False), "no VOMS attributes"),
    (lambda: proxy(role="pilot"), "not for /atlas/Role=production but for /atlas/Role=pilot"),
    (lambda: proxy(-60), "has ended already"), (lambda: proxy(3600, voms_seconds=-60), "has ended already"),
], ids=["without attributes", "another role", "ended", "its attributes have ended"])
def test_a_proxy_that_would_not_do_is_not_put_in_place(site: Site, content: Callable[[], bytes], words: str) -> None:
    site.does("goes well", content())
    assert words in renewed(site.credential()).why
    assert not site.file.exists()


def test_the_attributes_may_end_before_the_proxy(site: Site) -> None:
    put(site.file, proxy(96 * 3600, voms_seconds=24 * 3600))
    assert site.credential().check_credential().until == pytest.approx(time.time() + 24 * 3600, abs=600)


def test_a_source_that_is_missing_open_or_over_is_said_and_no_program_is_started(site: Site) -> None:
    site.long.chmod(0o644)
    assert "others may read it" in renewed(site.credential()).why
    put(site.long, proxy(-1, with_voms=False))
    over = renewed(site.credential())
    assert "has ended at" in over.why
    assert over.final
    site.long.unlink()
    assert "No such file" in renewed(site.credential()).why
    assert site.asked == []


def test_a_clock_that_is_wrong_replaces_nothing(site: Site) -> None:
    put(site.file, proxy(86400))
    before = site.file.read_bytes()
    wrong = VomsCredential(site.settings(long_proxy=""), context(site.folder), FakeClock(time.time() + 400 * 86400))
    assert "see that the clock is right" in renewed(wrong).remedy
    assert site.file.read_bytes() == before


@pytest.mark.parametrize(("given", "words"), [
    ({"program": "grid-proxy-init"}, "program: must be voms-proxy-init or arcproxy"),
    ({"program": "/no/such/arcproxy"}, "program: there is no program"), ({"file": "proxy"}, "file: must be an absolute path"),
    ({"vo": "at las"}, "vo: must be one word"), ({"group": "phys"}, "group: must look like /atlas/group"), ({"hours": 0}, "hours: must be"),
    ({"long_proxy": "", "certificate": "/c"}, "key: certificate and key go together"),
    ({"certificate": "/c", "key": "/k"}, "long_proxy: a proxy is made of this, or"), ({"long_proxy": "/p", "file": "/p"}, "file: would be"),
    ({"timeout_s": 1e9}, "timeout_s: must be from 1"),
])
def test_settings_that_cannot_work_are_found_before_anything_starts(site: Site, given: dict[str, Any], words: str) -> None:
    problems = list(site.settings(**given).problems())
    assert any(problem.startswith(words) for problem in problems), problems
