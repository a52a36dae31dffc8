"""``harvester-hpc globus``: a person at a terminal, over ssh. The service is emulated; SDK and command line are the real ones."""
from __future__ import annotations

import io
import json
import re
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from harvester_globus.carrier import GlobusCarrier
from harvester_globus.terminal import TerminalFlow
from harvester_hpc.cli.frame import run
from harvester_hpc.model.transfer import Direction, Transfer
from harvester_hpc.ports.carrier import Parked
from harvester_hpc.testing.contracts.carrier import batch_of, routed, submitted
from tests.globus_site import CLIENT, Site, site_in

OTHER = "44444444-4444-4444-8444-444444444444"
WITHIN_S = 60


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_in(tmp_path, monkeypatch) as site:
        yield site


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody who opens each address that is shown, allows all, and types the code; the addresses are returned."""
    opened: list[str] = []

    def shown(self: TerminalFlow, address: str) -> None:
        opened.append(address)

    def typed(self: TerminalFlow) -> str:
        with urllib.request.urlopen(opened[-1], timeout=WITHIN_S) as answer:
            return str(json.load(answer)["code"])

    monkeypatch.setattr(TerminalFlow, "print_authorize_url", shown)
    monkeypatch.setattr(TerminalFlow, "prompt_for_code", typed)
    return opened


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is at the terminal: whoever asks fails."""
    monkeypatch.setattr(click, "prompt", lambda *_, **__: pytest.fail("somebody was asked"))


Globus = Callable[..., tuple[int, str, str]]


@pytest.fixture
def globus(site: Site, capsys: pytest.CaptureFixture[str]) -> Globus:
    """Return what calls ``harvester-hpc globus ...`` in an instance whose queue stages over Globus."""
    home = site.folder / "home"

    def call(*arguments: str, **section: Any) -> tuple[int, str, str]:
        stager = {
            "name": "globus", "clientId": CLIENT, "localCollection": site.here, "remoteCollection": site.far, "layout": "job", **section,
        }
        home.mkdir(exist_ok=True)
        document = {"extends": "local", "instance": "test", "stateDir": str(site.folder / "state"), "queues": {"Q": {"stager": stager}}}
        (home / "harvester.json").write_text(json.dumps(document))
        capsys.readouterr()
        code = run(["--home", str(home), "globus", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_person_logs_in_and_the_daemon_works(site: Site, globus: Globus, person: list[str]) -> None:
    carrier = site.carrier(secret_file="")
    code, out, err = globus("login")
    assert (code, err) == (0, "")
    assert out.startswith("logged in as person@emulated.org (11111111-")
    assert len(person) == 1
    assert carrier.token(Transfer(queue="Q", direction=Direction.OUT))
    assert stat.S_IMODE(carrier.account.token_file.stat().st_mode) == 0o600


def test_who_is_logged_in_asks_nobody(site: Site, globus: Globus, person: list[str]) -> None:
    globus("login")
    code, out, _ = globus("whoami")
    assert code == 0
    assert re.search(r"^identity +person@emulated\.org \(11111111-", out, re.MULTILINE)
    assert re.search(rf"^collection +{site.far} far: no consent needed$", out, re.MULTILINE)
    told = json.loads(globus("whoami", "--json")[1])
    assert told[0]["client_id"] == CLIENT
    assert told[0]["expires"].endswith("Z")
    assert len(person) == 1


def test_a_mapped_collection_is_found_out_explained_and_consented_to(site: Site, globus: Globus, person: list[str]) -> None:
    mapped = site.world.add_collection("mapped", site.folder / "mapped", mapped=True)
    assured = site.world.add_collection("assured", site.folder / "assured", mapped=True, high_assurance=True)
    globus("login")
    assert "CONSENT MISSING" in globus("whoami", remoteCollection=mapped)[1]
    code, out, _ = globus("login", remoteCollection=mapped, localCollection=assured)
    assert code == 0
    assert f"collection mapped ({mapped}) is a mapped one" in out
    assert "assured" not in out
    assert len(person) == 2
    assert f"{mapped}%2Fdata_access" in person[-1]
    assert f"collection   {mapped} mapped: consent given" in globus("whoami", remoteCollection=mapped)[1]


def test_one_login_consents_to_all_and_the_next_asks_for_nothing(site: Site, globus: Globus, person: list[str]) -> None:
    mapped = [site.world.add_collection(name, site.folder / name, mapped=True) for name in ("m1", "m2", "m3")]
    section = {"remoteCollection": mapped[0], "localCollection": mapped[1]}
    assert globus("login", "--collection", mapped[2], **section)[0] == 0
    assert len(person) == 2
    carrier = site.carrier(secret_file="", remote_collection=mapped[0], local_collection=mapped[1])
    site.batch(carrier, site.output("o", b"o"))
    assert globus("login", "--collection", mapped[2], **section)[0] == 0
    assert len(person) == 2


def test_the_command_that_a_parked_batch_names_mends_it(site: Site, globus: Globus, person: list[str]) -> None:
    mapped = site.world.add_collection("mapped", site.folder / "mapped", mapped=True)
    globus("login")
    carrier = site.carrier(secret_file="", remote_collection=mapped)
    items = routed(carrier, [site.output("o", b"o")])
    transfer = replace(batch_of(items), token=carrier.token(batch_of(items)))
    answer = carrier.submit(transfer, items)
    assert isinstance(answer, Parked)
    words = answer.remedy.split()
    assert words[:2] == ["harvester-hpc", "globus"]
    assert globus(*words[2:])[0] == 0
    submitted(carrier, transfer, items)


def test_what_a_session_demands_is_passed_on(site: Site, globus: Globus, person: list[str]) -> None:
    globus("login")
    assert globus("login", "--domain", "uni.edu", "--mfa", "--identity", "i-1", "--policy", "p-1")[0] == 0
    address = person[-1]
    assert "session_required_single_domain=uni.edu" in address
    assert "session_required_mfa=True" in address
    assert "session_required_identities=i-1" in address
    assert "session_required_policies=p-1" in address


def test_a_login_that_has_died_is_made_anew(site: Site, globus: Globus, person: list[str]) -> None:
    globus("login")
    site.world.rows("UPDATE token SET refusal = 'revoked'")
    code, _, err = globus("whoami")
    assert code == 1
    assert f"what to do: harvester-hpc globus login --client {CLIENT}" in err
    assert globus("login")[0] == 0
    assert len(person) == 2
    assert globus("whoami")[0] == 0


def test_another_identity_does_not_take_over_what_is_under_way(site: Site, globus: Globus, person: list[str]) -> None:
    globus("login")
    site.world.set(identity="99999999-9999-4999-8999-999999999999")
    code, _, err = globus("login", "--mfa")
    assert code == 1
    assert "another identity" in err
    assert "globus logout" in err
    assert "11111111" in globus("whoami")[1]
    assert globus("logout")[0] == 0
    assert "99999999" in globus("login")[1]


def test_logging_out_revokes_and_removes(site: Site, globus: Globus, person: list[str]) -> None:
    carrier = site.carrier(secret_file="")
    globus("login")
    assert globus("logout")[1].startswith("logged out")
    assert not carrier.account.token_file.exists()
    assert {row["refusal"] for row in site.world.rows("SELECT refusal FROM token")} == {"revoked"}
    assert globus("logout")[1].startswith("nobody was logged in")
    code, _, err = globus("whoami")
    assert code == 1
    assert "what to do: harvester-hpc globus login" in err


def test_a_wrong_code_is_told_and_leaves_what_was_there(
    site: Site, globus: Globus, person: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    globus("login")
    monkeypatch.setattr(TerminalFlow, "prompt_for_code", lambda self: "wrong")
    code, _, err = globus("login", "--mfa")
    assert code == 1
    assert "error: " in err
    assert globus("whoami")[0] == 0


def test_no_code_at_all_interrupts(site: Site, globus: Globus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert globus("login")[0] == 130


@pytest.mark.usefixtures("nobody")
def test_a_client_with_a_secret_needs_no_browser(site: Site, globus: Globus) -> None:
    mapped = site.world.add_collection("mapped", site.folder / "mapped", mapped=True)
    section = {"secretFile": str(site.folder / "secret"), "remoteCollection": mapped}
    code, out, err = globus("login", **section)
    assert (code, err) == (0, "")
    assert "is a mapped one" in out
    carrier = site.carrier(remote_collection=mapped)
    site.batch(carrier, site.output("o", b"o"))
    assert "with the client's secret" in globus("whoami", **section)[1]
    assert globus("logout", **section)[0] == 0


def test_a_service_that_is_down_is_no_lost_login(site: Site, globus: Globus, person: list[str]) -> None:
    globus("login")
    site.world.fail("userinfo", "error_before", times=9)
    assert globus("login")[0] == 75
    assert globus("whoami")[0] == 75
    site.world.heal()
    assert len(person) == 1


def test_a_client_that_no_queue_names_is_answered_with_those_there_are(globus: Globus) -> None:
    code, _, err = globus("login", "--client", CLIENT[:-1] + "3")
    assert code == 1
    assert f"did you mean '{CLIENT}'" in err


def test_without_a_queue_that_uses_it_there_is_nothing_to_log_in_to(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    home = site.folder / "plain"
    home.mkdir()
    (home / "harvester.json").write_text('{"extends": "local", "queues": {"Q": {}}}')
    assert run(["--home", str(home), "globus", "whoami"]) == 1
    assert "no queue uses Globus" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], ["globus", "--help"], ["globus", "login", "--help"]])
def test_help_does_not_import_the_sdk(argv: list[str]) -> None:
    program = (
        "import sys; from harvester_hpc.cli.frame import run; code = run(sys.argv[1:]);"
        "sys.exit(code or 9 * ('globus_sdk' in sys.modules or 'requests' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "globus" in done.stdout


def test_making_a_carrier_does_not_import_the_sdk() -> None:
    program = "import sys, harvester_globus.carrier; sys.exit(9 * ('globus_sdk' in sys.modules or 'requests' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], timeout=WITHIN_S, check=False).returncode == 0
    assert GlobusCarrier.shared
