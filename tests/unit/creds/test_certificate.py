"""The time of a proxy is that of what ends first in it; read from the file alone."""
from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from harvester_creds.certificate import chain_in, key_problem
from tests.unit.creds.made import by_openssl, proxy, put, voms_attributes


@pytest.mark.parametrize("days", [1, 400, 40_000], ids=["two digits of the year", "next year", "four digits of the year"])
def test_the_end_is_the_one_that_openssl_says(tmp_path: Path, days: int) -> None:
    path = by_openssl(tmp_path, "-days", str(days))
    said = subprocess.run(["openssl", "x509", "-in", path, "-noout", "-enddate"], check=True, capture_output=True, text=True, timeout=60)
    end = datetime.strptime(said.stdout.strip().removeprefix("notAfter="), "%b %d %H:%M:%S %Y GMT")
    assert chain_in(path.read_bytes()).until == pytest.approx(end.timestamp() - datetime(1970, 1, 1).timestamp())
    assert key_problem(path) == ""


def test_attributes_that_end_before_their_proxy_are_its_end_and_name_the_groups(tmp_path: Path) -> None:
    content = voms_attributes(datetime(2031, 2, 3, 4, 5, 6), ["/atlas/Role=production/Capability=NULL", "/atlas/Role=NULL/Capability=NULL"])
    path = by_openssl(tmp_path, "-days", "9000", "-addext", f"1.3.6.1.4.1.8005.100.100.5=DER:{content.hex(':')}")
    chain = chain_in(path.read_bytes())
    assert chain.until == (datetime(2031, 2, 3, 4, 5, 6) - datetime(1970, 1, 1)).total_seconds()
    assert chain.has_voms
    assert chain.groups == ("/atlas/Role=production", "/atlas")


def test_a_chain_ends_with_the_first_of_its_certificates() -> None:
    long, short = proxy(90_000, with_voms=False), proxy(600, with_voms=False)
    assert chain_in(long + short).until == chain_in(short).until < chain_in(long).until
    assert not chain_in(long).has_voms


def test_no_part_of_a_certificate_is_taken_for_the_whole() -> None:
    whole = proxy()
    end = whole.index(b"-----END CERTIFICATE-----")
    for size in range(0, end, 40):
        with pytest.raises(ValueError, match="no certificate"):
            chain_in(whole[:size])


def test_garbage_between_the_lines_is_no_certificate() -> None:
    for inner in (b"", b"AAAA", b"MAA=", b"MIIB", b"!!!!", b"MAMwAQ=="):
        with pytest.raises(ValueError):
            chain_in(b"-----BEGIN CERTIFICATE-----\n" + inner + b"\n-----END CERTIFICATE-----\n")


def test_a_key_of_somebody_else_is_found(tmp_path: Path) -> None:
    one, other = proxy(), proxy()
    mixed = put(tmp_path / "mixed", one[:one.index(b"-----BEGIN EC")] + other[other.index(b"-----BEGIN EC"):])
    assert "cannot be used" in key_problem(mixed)
    assert "cannot be used" in key_problem(put(tmp_path / "half", one[:-60]))
