"""What in a log is a secret: patterns, and where they are found in a piece of text."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

#: (start and end of what was recognised, start and end of what is secret in it)
Span = tuple[int, int, int, int]

_QUOTES = rb"['\"\\]{0,3}"
#: Between a name and its value: in a shell, JSON, YAML, a Python dictionary or tuple, an HTTP header.
_IS = rb"(?:" + _QUOTES + rb"[ \t]{0,3}(?:=>|[:=])[ \t]{0,3}b?" + _QUOTES + rb"|['\"],[ \t]{0,3}b?['\"])"
_NO_SECRET = frozenset({b"none", b"null", b"true", b"false", b"undefined", b"required", b"missing", b"expired", b"invalid", b"unknown"})
_OPAQUE = re.compile(rb"[0-9A-Z_~+/=]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one kind of secret is recognised.

    Attributes:
        words: one of them is in every text that has such a secret; looked for before the pattern is tried.
        pattern: its last group, if it has one that matched, is the secret; else all of it.
        lowered: words and pattern are for the text in lower case.
        judge: whether what was found is a secret, by its bytes as they are.
    """

    words: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    lowered: bool = True
    judge: Callable[[bytes], bool] = field(default=lambda value: True)


def _is_opaque(value: bytes) -> bool:
    """Tell a token from a word of a sentence: tokens have digits, capitals or signs."""
    return _OPAQUE.search(value) is not None


def _is_value(value: bytes) -> bool:
    """Tell a value from a word for none, a variable, a path, and what is masked already."""
    return not (
        value.lower().rstrip(b".") in _NO_SECRET or value[:1] in b"$<*[{(%" or value.startswith((b"file:", b"./", b"~/"))
        or set(value) <= set(b"x*.-") or _is_path(value)
    )


def _is_path(value: bytes) -> bool:
    return value[:1] == b"/" and (b"/" in value[1:] or b"." in value) and b"+" not in value and len(value) != 40


def _is_token(value: bytes) -> bool:
    return _is_value(value) and any(48 <= byte <= 57 for byte in value) and any(byte >= 65 for byte in value)


RULES: tuple[Rule, ...] = (
    Rule(  # a key, and what is left of one whose end was lost; never from one beginning over another
        words=(b"private key-----",),
        pattern=re.compile(
            rb"-----begin [a-z0-9 ]{0,40}private key-----(?:(?:(?!-----begin).){0,32000}?-----end [a-z0-9 ]{0,40}private key-----"
            rb"|(?:\s{0,8}+[^\n]{0,80}?[a-z0-9+/=\\]{40,}+[^\n]{0,80}+){0,400}+)", re.DOTALL),
    ),
    Rule(
        words=(b"eyJ",), lowered=False,
        pattern=re.compile(
            rb"(?:(?<![A-Za-z0-9_\-])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
            rb"eyJ[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{8,}+(?:\.[A-Za-z0-9_\-]*+){0,3}"),
    ),
    Rule(
        words=(b"authorization",),
        pattern=re.compile(
            rb"authorization" + _IS + rb"((?:bearer|basic|token|negotiate|digest|macaroon|aws4-hmac-sha256)[ \t]+[^\r\n'\"\\]{4,4096}+"
            rb"|[^\s'\"\\]{16,4096}+)"),
        judge=_is_value,
    ),
    Rule(
        words=(b"cookie", b"-token"),
        pattern=re.compile(rb"(?:(?:set-)?cookie|x-[a-z0-9\-]{0,40}?token|private-token)" + _IS + rb"([^\r\n'\"\\]{8,4096}+)"),
        judge=_is_value,
    ),
    Rule(
        words=(b"bearer",), pattern=re.compile(rb"bearer(?:[ \t]{1,3}|%20|\+)([a-z0-9._~+/=\-]{20,}+)"), judge=_is_opaque,
    ),
    Rule(
        words=(b"://",), pattern=re.compile(rb"://[^\s/:@\"'<>]{0,200}:([^\s/@\"'<>]{1,256})@"), judge=lambda value: set(value) != {42},
    ),
    Rule(
        words=(b"passw", b"passphrase", b"secret"),
        pattern=re.compile(
            rb"(?:passw(?:or)?d|passphrase|secret(?:[_\-]?(?:access[_\-]?)?key)?)" + _IS + rb"([^\s'\"\\,;&<>(){}\[\]]{4,4096}+)"),
        judge=_is_value,
    ),
    Rule(
        words=(b"token", b"key", b"_assertion"),
        pattern=re.compile(
            rb"(?:token|(?:api|access|private|account|storage)[_\-]?key|client_assertion)" + _IS
            + rb"([^\s'\"\\,;&<>(){}\[\]]{16,}+)"),
        judge=_is_token,
    ),
    Rule(
        words=(b"sig=", b"signature=", b"credential=", b"authz=", b"code=", b"ticket="),
        pattern=re.compile(rb"[?&](?:sig|signature|x-amz-signature|x-amz-credential|authz|code|ticket)=([^&\s\"'<>]{8,4096}+)"),
    ),
    Rule(
        words=(b"AKIA", b"ASIA"), lowered=False, pattern=re.compile(rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ),
    Rule(
        words=(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-", b"hvs.", b"MDAx", b"MDAy", b"MDAz"), lowered=False,
        pattern=re.compile(
            rb"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_[A-Za-z0-9_]{50,}+|glpat-[A-Za-z0-9_\-]{20,}+"
            rb"|hvs\.[A-Za-z0-9_\-]{20,}+|MDA[xyz][A-Za-z0-9_+/=\-]{80,}+)"),
    ),
)


def secrets_in(text: bytes, start: int = 0) -> list[Span]:
    """Return where the secrets in ``text`` are that begin at ``start`` or later; what is before it is looked at, not searched."""
    lowered = text.lower()
    return [span for rule in RULES for span in _spans(rule, text, lowered if rule.lowered else text, start)]


def _spans(rule: Rule, text: bytes, searched: bytes, start: int) -> Iterator[Span]:
    if not any(word in searched for word in rule.words):
        return
    for match in rule.pattern.finditer(searched, start):
        begin, end = match.span(match.lastindex or 0)
        if rule.judge(text[begin:end]):
            yield match.start(), match.end(), begin, end
