"""Who we are: read from a file, renewed on disk, never shown; and who the server is."""
from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harvester_hpc.errors import CredentialRefused, Unavailable
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.secret_file import mark_of
from harvester_hpc.testing.fake_credential import FakeCredential
from harvester_local.served.server import Service
from harvester_panda.communicator import PandaCommunicator
from harvester_panda.credentials import Credential
from harvester_panda.settings import PandaSettings
from tests.unit.panda.served import communicator, pair

SECRET = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.c2lnbmF0dXJl"


def _token(folder: Path, text: str = SECRET) -> Path:
    path = folder / "token"
    path.write_text(text)
    path.chmod(0o600)
    return path


def _settings(path: Path) -> dict[str, Any]:
    return {"token_file": str(path), "origin": "vo.production"}


@pytest.mark.parametrize("text", [SECRET, f"{SECRET}\n", f"\r\n  {SECRET}\t\n"])
def test_white_space_around_a_token_does_no_harm(tmp_path: Path, text: str) -> None:
    with pair(tmp_path, Service(token=SECRET), **_settings(_token(tmp_path, text))) as both:
        assert len(both.jobs(1)) == 1


def test_a_token_that_is_renewed_on_disk_is_used_at_once(tmp_path: Path) -> None:
    path = _token(tmp_path, "expired")
    with pair(tmp_path, Service(token=SECRET), **_settings(path)) as both:
        with pytest.raises(Unavailable, match=r"Signature has expired.*renew"):
            both.panda.is_alive({})
        renewed = tmp_path / "renewed"
        renewed.write_text(SECRET)
        renewed.chmod(0o600)
        renewed.replace(path)
        both.panda.is_alive({})


@pytest.mark.parametrize("text", ["", "\n", "two words", "tok\x01en", "tökén", f"Bearer {SECRET}"])
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    credential = Credential(PandaSettings(url="http://127.0.0.1:1", **_settings(_token(tmp_path, text))))
    with pytest.raises(Unavailable, match="holds no token") as caught:
        credential.headers()
    assert not text.strip() or text.strip() not in str(caught.value)


def test_a_token_that_others_may_read_or_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = _token(tmp_path)
    panda = communicator(tmp_path, url="http://127.0.0.1:1", **_settings(path))
    path.chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        panda.is_alive({})
    path.unlink()
    with pytest.raises(Unavailable, match="cannot be read"):
        panda.is_alive({})


def test_nothing_of_a_token_is_in_a_message_or_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pair(tmp_path, Service(token="another"), **_settings(_token(tmp_path))) as both:
        with pytest.raises(Unavailable) as caught:
            both.panda.is_alive({})
        assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {both.panda.settings!r} {caplog.text}"


class Authority:
    """Signs certificates for servers."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._signed(self.name, self.key, (), 1, ca=True).public_bytes(serialization.Encoding.PEM))

    def certificate(self, names: Sequence[x509.GeneralName], days: float = 1) -> Path:
        """Return a file with a certificate and its key; with negative ``days`` it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = self._signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]), key, names, days, ca=False)
        path = self.folder / f"server-{days}-{len(names)}.pem"
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        path.chmod(0o600)
        return path

    def _signed(self, subject: x509.Name, key: Any, names: Sequence[x509.GeneralName], days: float, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=9))
        builder = builder.not_valid_after(now + timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        return builder.sign(self.key, hashes.SHA256())


LOOPBACK = (x509.DNSName("localhost"),)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def _reached(folder: Path, certificate: Path, ca_file: str, host: str = "localhost", **settings: Any) -> None:
    service = Service(certificate=certificate, token=SECRET)
    with pair(folder, service, url="https://placeholder", **_settings(_token(folder))) as both:
        panda = communicator(folder, url=f"https://{host}:{both.served.port}", ca_file=ca_file, **_settings(folder / "token"), **settings)
        try:
            panda.is_alive({})
        finally:
            panda.close()


def test_a_server_with_a_good_certificate_is_talked_to(tmp_path: Path, authority: Authority) -> None:
    _reached(tmp_path, authority.certificate(LOOPBACK), str(authority.file))


@pytest.mark.parametrize(("names", "days", "known", "host", "remedy"), [
    ((x509.DNSName("elsewhere"),), 1, True, "localhost", "say in url the name"), (LOOPBACK, -1, True, "localhost", "caFile"),
    (LOOPBACK, 1, False, "localhost", "caFile"), (LOOPBACK, 1, True, "127.0.0.1", "say in url the name"),
], ids=["wrong name", "expired", "unknown authority", "name, not address"])
def test_any_other_server_is_told_nothing(
    tmp_path: Path, authority: Authority, names: Sequence[x509.GeneralName], days: float, known: bool, host: str,
    remedy: str,
) -> None:
    other = Authority(tmp_path, "other")
    with pytest.raises(Unavailable, match=rf"CERTIFICATE_VERIFY_FAILED.*{remedy}"):
        _reached(tmp_path, authority.certificate(names, days), str((authority if known else other).file), host)


def test_a_proxy_that_is_renewed_makes_a_new_connection(tmp_path: Path, authority: Authority) -> None:
    proxy = authority.certificate(LOOPBACK)
    credential = Credential(PandaSettings(url="https://localhost", ca_file=str(authority.file), proxy_file=str(proxy)))
    first = credential.context()
    assert credential.context() is first
    authority.certificate((), 2).replace(proxy)
    assert credential.context() is not first
    os.truncate(proxy, 10)
    with pytest.raises(Unavailable, match="renew"):
        credential.context()
    proxy.chmod(0o644)
    with pytest.raises(Unavailable, match="others may read"):
        credential.context()


def test_a_proxy_says_who_we_are(tmp_path: Path, authority: Authority) -> None:
    certificate, proxy = authority.certificate(LOOPBACK), authority.certificate((), 2)
    service = Service(certificate=certificate, client_authority=authority.file)
    with pair(tmp_path, service, url="https://placeholder", token_file=str(_token(tmp_path)), origin="vo") as both:
        where = {"url": f"https://localhost:{both.served.port}", "ca_file": str(authority.file)}
        for said, known in (({"proxy_file": str(proxy)}, True), ({"token_file": str(tmp_path / "token"), "origin": "vo"}, False)):
            panda = communicator(tmp_path, **where, **said)
            if known:
                panda.is_alive({})
            else:
                with pytest.raises(Unavailable):
                    panda.is_alive({})
            panda.close()


def _kept(folder: Path, holds: str, path: Path) -> Context:
    here = Facility(name="here", scheduler="local")
    bare = Context(instance="test", tag="abcde", state_dir=folder, facility=here)
    return dataclasses.replace(bare, credentials={"us": FakeCredential(FakeCredential.Settings(file=str(path), holds=holds), bare)})


def test_a_kept_token_that_is_refused_or_missing_is_said_by_its_name_and_content(tmp_path: Path) -> None:
    path = _token(tmp_path, "ended")
    with pair(tmp_path, Service(token=SECRET)) as both:
        settings = PandaSettings(url=both.served.url, credential="us", origin="vo")
        panda = PandaCommunicator(settings, _kept(tmp_path, "token", path))
        with pytest.raises(CredentialRefused, match=r"403.*Signature has expired") as refused:
            panda.is_alive({})
        assert (refused.value.credential, refused.value.mark) == ("us", mark_of(path))
        path.write_text(SECRET)
        panda.is_alive({})
        path.unlink()
        with pytest.raises(CredentialRefused, match="cannot be read") as missing:
            panda.is_alive({})
        assert (missing.value.credential, missing.value.mark) == ("us", "")
        panda.close()


def test_a_method_that_a_server_does_not_have_is_no_refusal_of_the_credential(tmp_path: Path) -> None:
    path = _token(tmp_path)
    with pair(tmp_path, Service(token=SECRET, v1=True, old=False)) as both:
        settings = PandaSettings(url=both.served.url, credential="us", origin="vo", dialect="old")
        panda = PandaCommunicator(settings, _kept(tmp_path, "token", path))
        with pytest.raises(Unavailable) as caught:
            panda.is_alive({})
        assert not isinstance(caught.value, CredentialRefused)
        panda.close()


def test_a_kept_proxy_that_the_server_does_not_take_is_said_by_its_name(tmp_path: Path, authority: Authority) -> None:
    certificate, proxy = authority.certificate(LOOPBACK), Authority(tmp_path, "nobody").certificate((), 2)
    service = Service(certificate=certificate, client_authority=authority.file)
    with pair(tmp_path, service, url="https://placeholder", token_file=str(_token(tmp_path)), origin="vo") as both:
        settings = PandaSettings(url=f"https://localhost:{both.served.port}", ca_file=str(authority.file), credential="us")
        panda = PandaCommunicator(settings, _kept(tmp_path, "proxy", proxy))
        refused = _refusal_of(panda)
        assert (refused.credential, refused.mark) == ("us", mark_of(proxy))
        authority.certificate((), 3).replace(proxy)
        panda.is_alive({})
        panda.close()


def _refusal_of(panda: PandaCommunicator) -> CredentialRefused:
    """Return what is raised when the alert of the server is heard; it may close the connection before that."""
    for _ in range(200):
        try:
            panda.is_alive({})
        except CredentialRefused as error:
            return error
        except Unavailable as error:
            assert "has not answered" in str(error)
    raise AssertionError("the alert was never heard")


@pytest.mark.parametrize("content", [None, "no certificates"])
def test_authorities_that_cannot_be_read_are_no_fault_of_the_credential(tmp_path: Path, content: str | None) -> None:
    authorities = tmp_path / "authorities.pem"
    if content is not None:
        authorities.write_text(content)
    shown = Credential(PandaSettings(
        url="https://localhost:1", credential="panda", token_file=str(_token(tmp_path)), origin="vo", ca_file=str(authorities),
    ))
    with pytest.raises(Unavailable, match="authorities") as raised:
        shown.context()
    assert not isinstance(raised.value, CredentialRefused), "it would be renewed for nothing"
