"""Secrets in logs are masked, wherever blocks end; what only looks like one is not."""
from __future__ import annotations

import random

import pytest

from harvester_hpc.policy.masking import ENDLESS, HELD, MASK, Masking

KEY_LINES = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n" * 25
JWT = b"eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYTEifQ.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
REFRESH = b"eyJhbGciOiJub25lIn0.eyJqdGkiOiJmZDQxYjhmZS0xMjM0In0."

#: (text, what must not be left of it)
SECRETS = [
    (b"token is " + JWT + b" ok", JWT[-20:]),
    (b"refresh " + REFRESH + b" ok", REFRESH[-20:]),
    (b"url?x=%20" + JWT, JWT[-20:]),
    (b"Authorization: Bearer 0123456789abcdef-ghijkl", b"ghijkl"),
    (b"authorization: Basic dXNlcjpwYXNz", b"dXNlcjpwYXNz"),
    (b"> Proxy-Authorization: Negotiate YIICaQYGKwYBBQUCoIICXTCC", b"YIIC"),
    (b"curl -H 'Authorization: Bearer 0123456789abcdef-ghijkl' https://x", b"ghijkl"),
    (b'{"Authorization": "Bearer 0123456789abcdef-ghijkl"}', b"ghijkl"),
    (b"headers=[('Authorization', 'Bearer 0123456789abcdef-ghijkl')]", b"ghijkl"),
    (b"send: b'GET / HTTP/1.1\\r\\nAuthorization: Bearer 0123456789abcdef-ghijkl\\r\\nAccept: */*'", b"ghijkl"),
    (b"\x1b[1mAuthorization\x1b[0m: Basic dXNlcjpwYXNz", b"dXNlcjpwYXNz"),
    (b"\x1b[1mAuthorization\x1b[0m:\x1b[31m Bearer\x1b[0m 0123456789abcdef-ghijkl\x1b[0m", b"ghijkl"),
    (b"using \x1b[1mbearer\x1b[0m \x1b[38;5;208m0a1b2c3d4e5f6a7b8c9d0e1f", b"0a1b2c"),
    (b"\x1b[32mpassword\x1b[39m\x1b[0m=\x1b[31m\"pa55word\"\x1b[0m", b"pa55word"),
    (b"  \x1b[94maccess_token\x1b[0m \x1b[2m:\x1b[0m \x1b[33m0a1b2c3d4e5f6a7b8c9d0e1f\x1b[0m", b"0a1b2c"),
    (b"X-Rucio-Auth-Token: root-/DC=ch/DC=cern/CN=me-unknown-60a1b2c3d4", b"60a1b2c3d4"),
    (b"Set-Cookie: session=abcdef0123456789; Path=/", b"abcdef0123456789"),
    (b"using bearer 0a1b2c3d4e5f6a7b8c9d0e1f", b"0a1b2c"),
    (b"-----BEGIN RSA PRIVATE KEY-----\n" + KEY_LINES + b"-----END RSA PRIVATE KEY-----", b"MIIEvQ"),
    (b"-----BEGIN PRIVATE KEY-----\n" + KEY_LINES + b"-----END PRIVATE KEY-----", b"MIIEvQ"),
    (b"-----BEGIN RSA PRIVATE KEY-----\n" + KEY_LINES, b"MIIEvQ"),
    (b"-----BEGIN PRIVATE KEY-----\\n" + KEY_LINES.replace(b"\n", b"\\n") + b"-----END PRIVATE KEY-----", b"MIIEvQ"),
    (b"".join(b"12:00:01 INFO " + line + b"\n" for line in (b"-----BEGIN PRIVATE KEY-----\n" + KEY_LINES).splitlines()), b"MIIEvQ"),
    (b"root://me:pa55word@host:1094//file", b"pa55word"),
    (b"clone https://oauth2:glpat-abcdefghij0123456789@gitlab.test/x.git", b"abcdefghij0123456789"),
    (b"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", b"wJalr"),
    (b"key AKIAIOSFODNN7EXAMPLE used", b"IOSFODNN7"),
    (b"https://s3.test/b?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F1&X-Amz-Signature=0123456789abcdef&X-Amz-Date=1", b"0123456789abcdef"),
    (b'"refresh_token": "AgXq9mWzD2oQk1Vt3nJ8yE5rB7"', b"AgXq9mWz"),
    (b"client_secret: 0aB1cD2eF3", b"0aB1cD2eF3"),
    (b"BEARER_TOKEN=0123456789abcdefABCDEF", b"abcdefABCDEF"),
    (b"password=hunter2", b"hunter2"),
    (b"MYSQL_PASSWORD: 'hunter2'", b"hunter2"),
    (b"{'passphrase': u'open sesame'}", b"sesame"),
    (b"export api_key=sk-0123456789abcdefghij", b"0123456789abcdefghij"),
    (b"remote: ghp_0123456789abcdefghijABCDEFGHIJ012345", b"abcdefghij"),
    (b"macaroon MDAxY2xvY2F0aW9uIE9wdGlvbmFsLmVtcHR5CjAwMThpZGVudGlmaWVyIDRMVWk4VFdGCjAwMTVjaWQgaWlkOjd0NHNuZzlHCg", b"zlHCg"),
]
#: Nothing of this is one.
LOOK_ALIKES = [
    b"12:00:00 INFO token bucket: 17 tokens left, refill 5/s",
    b"tokenFile=/home/me/.panda/token, auth_token=file:/etc/panda/token.json",
    b"RUCIO_AUTH_TOKEN=/tmp/rucio.token",
    b"refresh_token: None", b"password = null", b"password: ******", b"password=$PASSWORD", b"secret=<hidden>",
    b"authorization failed for user x", b"Authorization: denied",
    b"bearer of this letter", b"the bearer authentication-is-required-here for it",
    b"root://eos.test:1094//eos/atlas/user/file.root", b"http://host:8080/path@version", b"https://x.test/a:b@c",
    b"-----BEGIN CERTIFICATE-----\n" + KEY_LINES + b"-----END CERTIFICATE-----",
    b"-----BEGIN PUBLIC KEY-----\n" + KEY_LINES + b"-----END PUBLIC KEY-----",
    b"checksum ad:0a1b2c3d md5 d41d8cd98f00b204e9800998ecf8427e guid 70A86ADB-0000-1111-2222-333344445555",
    b"eyJ is how JSON in base64 begins; eyJhIjoxfQ== is one", b"module.eyJob.run.next.step",
    b"AKIAshort", b"XAKIAIOSFODNN7EXAMPLEX", b"keyboard: us, monkey: 1234567890123456789012",
    b"?mode=1&code=7&sig=1", b"5010-10-701-1-3 mc16_13TeV.364250.Sherpa_222_NNPDF30NNLO_llll.simul.HITS",
]


def masked(text: bytes, size: int = 1 << 20) -> bytes:
    masking = Masking(0, 0, len(text))
    return b"".join([*(masking.feed(text[start:start + size]) for start in range(0, len(text), size)), masking.finish()])


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=range(len(SECRETS)))
def test_a_secret_is_masked_and_what_is_around_it_stays(text: bytes, secret: bytes) -> None:
    assert secret in text
    found = masked(b"before\n" + text + b"\nafter\n")
    assert secret not in found
    assert MASK in found
    assert found.startswith(b"before\n")
    assert found.endswith(b"after\n")


@pytest.mark.parametrize("text", LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
def test_what_only_looks_like_a_secret_stays(text: bytes) -> None:
    assert masked(text) == text


@pytest.mark.parametrize("size", [777, 5000, HELD - 1, HELD, HELD + 1])
def test_it_does_not_matter_where_blocks_end(size: int) -> None:
    draw = random.Random(size)
    texts = [*(text for text, _ in SECRETS), *LOOK_ALIKES, *(b"an ordinary line of a log %d" % n for n in range(40))]
    text = b"\n".join(draw.choice(texts) for _ in range(2000))
    whole = masked(text, len(text))
    assert masked(text, size) == whole
    harmless = b"".join(LOOK_ALIKES)
    assert all(secret not in whole for _, secret in SECRETS if secret not in harmless)


@pytest.mark.parametrize("place", [HELD - 40, HELD, HELD + 40, 3 * HELD])
def test_a_secret_across_a_border_is_masked(place: int) -> None:
    for text, secret in SECRETS:
        long = b"." * place + b"\n" + text + b"\n" + b"." * HELD
        assert secret not in masked(long, HELD)


def test_a_token_without_end_is_passed_over_and_the_rest_is_not() -> None:
    endless = b"token=" + b"a1" * (ENDLESS * 3 // 4) + b" next words\n" + b"x" * HELD
    assert masked(endless, 1 << 16) == b"token=" + MASK + b" next words\n" + b"x" * HELD


def test_of_a_part_of_a_text_only_that_part_is_given_and_nothing_of_a_secret_that_was_cut() -> None:
    text = b"a" * 1000 + b" password=correct-horse-battery-staple " + b"z" * 1000
    cut = text.index(b"horse")
    for begin, end in ((0, cut), (cut, len(text)), (cut, cut + 3), (500, 700)):
        masking = Masking(0, begin, end)
        found = masking.feed(text) + masking.finish()
        assert b"horse" not in found and b"battery" not in found and b"correct" not in found
        assert found.replace(MASK, b"") in text
    late = Masking(400, 900, 1005)
    assert late.feed(text[400:]) + late.finish() == text[900:1005]


@pytest.mark.parametrize("hostile", [
    b"eyJ" * 100_000, b"-----BEGIN RSA PRIVATE KEY-----\n" * 10_000, b"://" * 100_000, b"token=" * 50_000, b"A" * 300_000,
    bytes(range(256)) * 1000, b"-----begin rsa private key-----" + b"\n" * 300_000, b"'\\" * 100_000 + b"authorization", b"\0" * 300_000,
    b"secret_access_" * 20_000,
], ids=range(10))
def test_hostile_text_comes_through(hostile: bytes) -> None:
    found = masked(hostile, 1 << 16)
    assert len(found) <= len(hostile)
    assert found.replace(MASK, b"") in hostile or MASK in found
