"""What goes wrong with Rucio, sorted."""
from __future__ import annotations

import pytest
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import SSLError
from rucio.common import exception as rucio_errors

from harvester_hpc.ports.carrier import Parked
from harvester_hpc.ports.outcome import Failed
from harvester_rucio.catalogue import in_parts
from harvester_rucio.session import Refused
from harvester_rucio.sorting import OF_FILES, REMEDIES, WORDS, said, sort

#: Known to these tests by their own names: the words of another library.
FOREIGN = {"SSLError", "NoSectionError", "NoOptionError"}
LATER = ("ServerConnectionException", "ServiceUnavailable", "ResourceTemporaryUnavailable", "DatabaseException", "RucioException")


def test_every_class_that_is_sorted_is_one_of_rucio() -> None:
    of_rucio = {name for name, value in vars(rucio_errors).items() if isinstance(value, type)}
    assert {*REMEDIES, *OF_FILES} - of_rucio - FOREIGN == set()
    assert not set(REMEDIES) & OF_FILES


@pytest.mark.parametrize("name", ["CannotAuthenticate", "AccessDenied", "InsufficientAccountLimit", "RSENotFound"])
def test_what_a_person_must_mend_says_how(name: str) -> None:
    found = sort(getattr(rucio_errors, name)("why"), "doing it")
    assert isinstance(found, Parked) and found.why.startswith(f"doing it: {name}") and found.remedy


@pytest.mark.parametrize("name", ["InvalidObject", "ScopeNotFound", "DataIdentifierNotFound", "UnsupportedOperation"])
def test_what_lies_in_the_files_is_theirs(name: str) -> None:
    assert isinstance(sort(getattr(rucio_errors, name)("why"), "doing it"), Failed)


@pytest.mark.parametrize("name", LATER)
def test_everything_else_is_tried_later(name: str) -> None:
    assert sort(getattr(rucio_errors, name)("why"), "doing it") is None
    assert sort(NoConnection("refused"), "doing it") is None


def test_an_expired_proxy_at_the_handshake_waits_for_a_person() -> None:
    assert isinstance(sort(SSLError("certificate expired"), "doing it"), Parked)


def test_a_message_of_megabytes_becomes_one_short_line() -> None:
    error = rucio_errors.InvalidObject("[{'scope':\n 'x'}]" * 200_000)
    assert len(said(error)) < WORDS + 50 and "\n" not in said(error)


def test_a_bad_one_is_found_in_few_calls_and_the_others_go() -> None:
    calls: list[int] = []
    gone: set[int] = set()

    def call(part: object) -> None:
        assert isinstance(part, tuple | list | range)
        calls.append(len(part))
        if {17, 400} & set(part):
            raise Refused(Failed(why="bad"), "InvalidObject")
        gone.update(part)

    assert in_parts(range(1000), 500, call) == {17: "bad", 400: "bad"}
    assert gone == set(range(1000)) - {17, 400}
    assert max(calls) == 500 and len(calls) < 50
