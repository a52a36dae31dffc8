"""What Globus refuses is sorted: later, never, or a person must act. The service is emulated; the SDK is the real one."""
from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_globus.account import Account
from harvester_globus.carrier import GlobusCarrier
from harvester_globus.pace import Pace
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.transfer import Item, Transfer
from harvester_hpc.ports.carrier import Accepted, Ended, Parked, Submitted
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.testing.contracts.carrier import batch_of, ended, routed, submitted
from tests.globus_site import CLIENT, Site, site_in

LOGIN = f"harvester-hpc globus login --client {CLIENT}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_in(tmp_path, monkeypatch) as site:
        yield site


def planned(site: Site, carrier: GlobusCarrier) -> tuple[Transfer, list[Item]]:
    items = routed(carrier, [site.put("a", b"aa")])
    batch = batch_of(items)
    return replace(batch, token=carrier.token(batch)), items


def answer_to(site: Site, how: str, **more: Any) -> Submitted:
    """Submit a batch that the service refuses; afterwards it is taken as if nothing had been."""
    carrier = site.carrier()
    batch, items = planned(site, carrier)
    site.world.fail("submit", how, times=9, **more)
    answer = carrier.submit(batch, items)
    site.world.heal()
    assert isinstance(carrier.submit(batch, items), Accepted)
    assert len(site.world.tasks()) == 1
    return answer


def test_a_missing_consent_wants_the_login_that_asks_for_it(site: Site) -> None:
    answer = answer_to(site, "consent", collections=[site.far, site.here])
    assert isinstance(answer, Parked)
    assert "consent" in answer.why
    assert answer.remedy == f"{LOGIN} --collection {site.far} --collection {site.here}"


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({"session_required_mfa": True}, "--mfa"),
        ({"session_required_single_domain": ["uni.edu", "lab.gov"]}, "--domain uni.edu --domain lab.gov"),
        ({"session_required_identities": ["id-1"]}, "--identity id-1"),
        ({"session_required_policies": ["p-1"], "session_required_mfa": True}, "--policy p-1 --mfa"),
        ({"session_message": "a new one, please"}, ""),
    ],
)
def test_a_session_that_does_not_suffice_wants_the_login_that_does(site: Site, parameters: dict[str, Any], options: str) -> None:
    answer = answer_to(site, "session", parameters=parameters)
    assert isinstance(answer, Parked)
    assert answer.remedy == f"{LOGIN} {options}".rstrip()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "PermissionDenied", Parked), (404, "EndpointNotFound", Parked), (410, "EndpointDeleted", Failed), (409, "Conflict", Retry),
        (400, "ClientError.BadRequest", Failed), (413, "TooLarge", Failed), (403, "TooManyPendingJobs", Parked),
        (409, "TooManyPendingJobs", Retry),
    ],
)
def test_each_refusal_has_its_kind(site: Site, status: int, code: str, kind: type[Any]) -> None:
    answer = answer_to(site, "refused", status=status, code=code, message="because")
    assert isinstance(answer, kind)
    assert "because" in answer.why
    if isinstance(answer, Parked):
        assert answer.remedy


def test_an_endpoint_that_cannot_be_reached_puts_off_its_batch_alone(site: Site) -> None:
    answer = answer_to(site, "external")
    assert isinstance(answer, Retry)
    assert "ExternalError" in answer.why


def test_messages_of_the_service_are_cut_to_a_line(site: Site) -> None:
    answer = answer_to(site, "refused", code="Big", message="x\n" * 100_000)
    assert not isinstance(answer, Accepted)
    assert len(answer.why) < 500
    assert "\n" not in answer.why


@pytest.mark.parametrize("call", ["submission_id", "submit", "task_list", "cancel"])
def test_an_outage_of_any_call_tells_nothing(site: Site, call: str) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    site.world.fail(call, "error_before", times=9)
    with pytest.raises(Unavailable):
        _all_calls(carrier, transfer, items)
    site.world.heal()
    _all_calls(carrier, transfer, items)


def _all_calls(carrier: GlobusCarrier, transfer: Transfer, items: list[Item]) -> None:
    carrier.token(transfer)
    carrier.submit(transfer, items)
    carrier.look([transfer], lambda _: items)
    carrier.cancel(transfer)


def test_a_service_that_is_not_there_tells_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    carrier.service.close()
    monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_TRANSFER", "http://127.0.0.1:9/")
    with pytest.raises(Unavailable):
        carrier.look([transfer], lambda _: items)
    carrier.service.close()


def test_what_cannot_be_understood_tells_nothing(site: Site) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    for call in ("submission_id", "task_list"):
        site.world.fail(call, "garbage")
    with pytest.raises(Unavailable, match="cannot be understood"):
        carrier.token(transfer)
    with pytest.raises(Unavailable, match="cannot be understood"):
        carrier.look([transfer], lambda _: items)
    ended(carrier, transfer, items)


# -- the pace of the service ----------------------------------------------------------------------------


def test_when_the_service_wants_quiet_nothing_is_called_until_then(site: Site) -> None:
    carrier = site.carrier()
    watch = [1000.0]
    carrier.service.pace = Pace(1e6, lambda: watch[0])
    batch, items = planned(site, carrier)
    site.world.fail("submit", "too_many", retry_after=120)
    begin = time.monotonic()
    with pytest.raises(Unavailable, match="fewer calls"):
        carrier.submit(batch, items)
    before = site.world.calls()
    for _ in range(3):
        with pytest.raises(Unavailable, match="quiet for 120 s"):
            carrier.submit(batch, items)
    assert site.world.calls() == before
    assert time.monotonic() - begin < 30.0, "it has waited in the call"
    watch[0] += 121.0
    assert isinstance(carrier.submit(batch, items), Accepted)


def test_an_outage_that_says_how_long_is_not_pressed(site: Site) -> None:
    carrier = site.carrier()
    watch = [1000.0]
    carrier.service.pace = Pace(1e6, lambda: watch[0])
    batch, items = planned(site, carrier)
    site.world.fail("submit", "error_before", retry_after=60)
    with pytest.raises(Unavailable):
        carrier.submit(batch, items)
    assert site.world.calls()["submit"] == 1
    watch[0] += 61.0
    assert isinstance(carrier.submit(batch, items), Accepted)


# -- tokens --------------------------------------------------------------------------------------------


def test_a_token_that_has_expired_is_renewed_without_a_word(site: Site) -> None:
    carrier = site.carrier()
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    site.world.fail("task_list", "expired_token")
    ended(carrier, transfer, items)
    assert site.world.calls()["token"] == 2


def test_a_token_near_its_end_is_renewed_before(site: Site) -> None:
    site.world.set(token_life_s=30)
    carrier = site.carrier()
    for _ in range(3):
        carrier.token(Transfer(queue="Q", direction=site.put("x", b"").direction))
    assert site.world.calls()["token"] >= 3
    assert site.world.calls()["submission_id"] == 3, "a token was used that had expired"


def test_another_process_uses_the_tokens_that_are_there(site: Site) -> None:
    for _ in range(3):
        carrier = site.carrier()
        transfer, items = site.batch(carrier, site.put("a", b"aa"))
        ended(carrier, transfer, items)
    assert site.world.calls()["token"] == 1


def test_a_wrong_secret_wants_the_right_one_and_is_mended_by_it(site: Site) -> None:
    carrier = site.carrier()
    secret = site.folder / "secret"
    secret.write_text("wrong")
    batch, items = planned(site, carrier)
    assert batch.token == ""
    answer = carrier.submit(batch, items)
    assert isinstance(answer, Parked)
    assert answer.remedy == f"put the right secret into {secret}"
    secret.write_text("emulated")
    batch = replace(batch, token=carrier.token(batch))
    assert isinstance(carrier.submit(batch, items), Accepted)


def test_a_secret_that_is_gone_wants_a_new_one(site: Site) -> None:
    carrier = site.carrier()
    (site.folder / "secret").unlink()
    batch, items = planned(site, carrier)
    answer = carrier.submit(batch, items)
    assert isinstance(answer, Parked)
    assert "mode 0600" in answer.remedy


def test_without_a_submission_id_nothing_is_submitted(site: Site) -> None:
    carrier = site.carrier()
    items = routed(carrier, [site.put("a", b"aa")])
    assert isinstance(carrier.submit(batch_of(items), items), Retry)
    assert site.world.calls()["submit"] == 0


def test_nobody_logged_in_wants_a_login_and_nothing_prompts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    carrier = site.carrier(secret_file="")
    batch, items = planned(site, carrier)
    for answer in (carrier.submit(batch, items), *carrier.look([replace(batch, task="x")], lambda _: items)):
        assert isinstance(answer, Parked)
        assert answer.remedy == LOGIN
    assert not site.world.calls()


def test_a_login_that_has_died_wants_a_new_one(site: Site) -> None:
    carrier = site.carrier(secret_file="")
    logged_in(site, carrier.account)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    site.world.rows("UPDATE token SET refusal = 'revoked'")
    (seen,) = carrier.look([transfer], lambda _: items)
    assert isinstance(seen, Parked)
    assert seen.remedy == LOGIN
    with pytest.raises(Unavailable, match="cannot be cancelled"):
        carrier.cancel(transfer)
    logged_in(site, carrier.account)
    (seen,) = carrier.look([transfer], lambda _: items)
    assert isinstance(seen, Ended)


def test_a_refresh_while_auth_is_down_is_no_reason_to_ask_a_person(site: Site) -> None:
    carrier = site.carrier(secret_file="")
    logged_in(site, carrier.account)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    site.world.fail("task_list", "expired_token")
    site.world.fail("token", "error_before", times=9)
    with pytest.raises(Unavailable):
        carrier.look([transfer], lambda _: items)
    site.world.heal()
    ended(carrier, transfer, items)


def test_tokens_of_a_person_are_renewed_by_the_refresh_token(site: Site) -> None:
    carrier = site.carrier(secret_file="")
    logged_in(site, carrier.account)
    transfer, items = site.batch(carrier, site.put("a", b"aa"))
    site.world.rows("UPDATE token SET expires = 0")
    ended(carrier, transfer, items)
    assert submitted(site.carrier(secret_file=""), transfer, items).task == transfer.task


def test_tokens_that_cannot_be_kept_tell_why(site: Site) -> None:
    carrier = site.carrier()
    (site.folder / "state").rmdir()
    (site.folder / "state").write_text("a file is in the way")
    with pytest.raises(Unavailable, match="tokens in"):
        carrier.token(Transfer(queue="Q", direction=site.put("x", b"").direction))


def logged_in(site: Site, account: Account) -> None:
    """Store tokens as a login of a person does."""
    from globus_sdk.token_storage import TokenStorageData

    from harvester_globus.tokens import TokenFile

    now = time.time()
    made = {}
    for server, scope in (("transfer.api.globus.org", "urn:globus:auth:scope:transfer.api.globus.org:all"), ("auth.globus.org", "openid")):
        access, refresh = os.urandom(8).hex(), os.urandom(8).hex()
        site.world.rows(
            "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, '')", access, refresh, str(site.world.setting("identity")), account.client_id,
            server, scope, now + 7200,
        )
        made[server] = TokenStorageData(
            resource_server=server, identity_id=str(site.world.setting("identity")), scope=scope, access_token=access,
            refresh_token=refresh, expires_at_seconds=int(now) + 7200, token_type="Bearer",
        )
    TokenFile(account.token_file).store_token_data_by_resource_server(made)
