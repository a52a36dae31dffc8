"""Certificates, proxies with VOMS attributes, and tokens, made for one test."""
from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context

VOMS_OID = "1.3.6.1.4.1.8005.100.100.5"
FQANS = bytes.fromhex("060a2b06010401be45646404")
RSA_SHA256 = bytes.fromhex("06092a864886f70d01010b0500")


def context(folder: Path) -> Context:
    """Return the surroundings of a plugin."""
    return Context(instance="test", tag="abcde", state_dir=folder / "state", facility=Facility(name="here", scheduler="local"))


def token(seconds: float = 3600.0, **claims: Any) -> str:
    """Return a JSON web token that ends in so many seconds; no two are the same."""
    now = time.time()
    body = {"iat": now, "exp": now + seconds, "iss": "https://iam.example.org", "jti": time.monotonic_ns(), **claims}
    return f"{_part({'alg': 'RS256'})}.{_part(body)}.c2lnbmF0dXJl"


def _part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode("ascii").rstrip("=")


def put(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a file with a mode."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def element(tag: int, *parts: bytes) -> bytes:
    """Return one element of DER."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def voms_attributes(until: datetime, groups: Sequence[str]) -> bytes:
    """Return the value of the VOMS extension: one attribute certificate (RFC 5755) that names groups and ends."""
    begins = (until - timedelta(days=1)).strftime("%Y%m%d%H%M%SZ").encode()
    period = element(0x30, element(0x18, begins), element(0x18, until.strftime("%Y%m%d%H%M%SZ").encode()))
    names = element(0x30, *(element(0x04, group.encode()) for group in groups))
    value = element(0x30, element(0xA0, element(0x86, b"atlas://voms.example.org:15001")), names)
    content = element(
        0x30, element(0x02, b"\x01"), element(0x30, element(0xA0, element(0x02, b"\x05"))), element(0xA0, element(0x30)),
        element(0x30, RSA_SHA256), element(0x02, b"\x07"), period, element(0x30, element(0x30, FQANS, element(0x31, value))),
    )
    return element(0x30, element(0x30, element(0x30, content, element(0x30, RSA_SHA256), element(0x03, b"\x00\x00"))))


def proxy(seconds: float = 86400.0, *, voms_seconds: float | None = None, role: str = "production", with_voms: bool = True) -> bytes:
    """Return a proxy-like file: certificate with VOMS attributes, and its key.

    Args:
        voms_seconds: time of the attributes, if it is another than that of the certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC).replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "me")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=2))
    builder = builder.not_valid_after(now + timedelta(seconds=seconds))
    if with_voms:
        until = now + timedelta(seconds=seconds if voms_seconds is None else voms_seconds)
        groups = [f"/atlas/Role={role}/Capability=NULL", "/atlas/Role=NULL/Capability=NULL"]
        attributes = x509.UnrecognizedExtension(x509.ObjectIdentifier(VOMS_OID), voms_attributes(until, groups))
        builder = builder.add_extension(attributes, critical=False)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + private


def by_openssl(folder: Path, *options: str) -> Path:
    """Return a certificate with its key that openssl has made; ``options`` are those of ``openssl req``."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-subj", "/CN=localhost", "-keyout", key, "-out", certificate, *options],
        check=True, capture_output=True, timeout=60,
    )
    return put(folder / "both.pem", certificate.read_bytes() + key.read_bytes())
