"""What in a log is a secret: patterns, and where they are found in a piece of text."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

#: (start and end of what was recognised, start and end of what is secret in it)
Span = tuple[int, int, int, int]

_QUOTES = rb"['\"\\]{0,3}"
#: Blanks, and the colours with which programs set off names from values (curl prints the names of headers in bold).
_GAP = rb"(?:[ \t]|\x1b\[[0-9;]{0,20}[mk])"
#: Between a name and its value: in a shell, JSON, YAML, a Python dictionary or tuple, an HTTP header.
_IS = (
    rb"(?:" + _GAP + rb"{0,3}" + _QUOTES + _GAP + rb"{0,6}(?:=>|[:=])" + _GAP + rb"{0,6}[bu]?" + _QUOTES + _GAP + rb"{0,3}"
    rb"|['\"]," + _GAP + rb"{0,3}[bu]?['\"])"
)
_NO_SECRET = frozenset({b"none", b"null", b"true", b"false", b"undefined", b"required", b"missing", b"expired", b"invalid", b"unknown"})
_OPAQUE = re.compile(rb"[0-9A-Z_~+/=]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one kind of secret is recognised.

    Attributes:
        word: what it begins with; looked for before the pattern is tried.
        pattern: begins with the word, so that it is found fast; its last group, if it has one that matched, is the secret; else all of it.
        lowered: word and pattern are for the text in lower case.
        judge: whether what was found is a secret, by its bytes as they are.
    """

    word: bytes
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


def _rule(word: bytes, rest: bytes, judge: Callable[[bytes], bool] = lambda value: True, *, lowered: bool = True) -> Rule:
    return Rule(word=word, pattern=re.compile(re.escape(word) + rest, re.DOTALL), lowered=lowered, judge=judge)


def _alone(word: bytes, rest: bytes) -> Rule:
    """Return the rule of a token that begins with ``word``, and not in the middle of something."""
    return _rule(word, rb"(?<![A-Za-z0-9]" + re.escape(word) + rb")" + rest, lowered=False)


def _after(starts: tuple[bytes, ...], word: bytes) -> bytes:
    return rb"(?:" + b"|".join(rb"(?<=" + re.escape(start + word) + rb")" for start in starts) + rb")"


_LINE = rb"([^\r\n'\"\\]{8,4096}+)"
#: A word, or all that is in quotes.
_WORD = rb"((?<=['\"])[^'\"\\\r\n]{4,4096}+|[^\s'\"\\,;&<>(){}\[\]]{4,4096}+)"
_LONG_WORD = rb"([^\s'\"\\,;&<>(){}\[\]]{16,}+)"
_KEYS = tuple(kind + sign for kind in (b"api", b"access", b"private", b"account", b"storage") for sign in (b"", b"_", b"-"))

RULES: tuple[Rule, ...] = (
    _rule(  # a key, and what is left of one whose end was lost; never from the beginning of one over that of another
        b"-----begin ",
        rb"[a-z0-9 ]{0,40}private key-----(?:(?:(?!-----begin).){0,32000}?-----end [a-z0-9 ]{0,40}private key-----"
        rb"|(?:\s{0,8}+[^\n]{0,80}?[a-z0-9+/=\\]{40,}+[^\n]{0,80}+){0,400}+)",
    ),
    _rule(  # a JSON web token, also within an address or a quoted text
        b"eyJ",
        rb"(?:(?<![A-Za-z0-9_\-]eyJ)|(?<=%[0-9A-Fa-f]{2}eyJ)|(?<=\\[nrt]eyJ))"
        rb"[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{8,}+(?:\.[A-Za-z0-9_\-]*+){0,3}",
        lowered=False,
    ),
    _rule(
        b"authorization",
        _IS + rb"((?:bearer|basic|token|negotiate|digest|macaroon|aws4-hmac-sha256)[ \t\x1b]+[^\r\n'\"\\]{4,4096}+|[^\s'\"\\]{16,4096}+)",
        _is_value,
    ),
    _rule(b"cookie", _IS + _LINE, _is_value),
    _rule(b"auth-token", _IS + _LINE, _is_value),
    _rule(b"bearer", rb"(?:" + _GAP + rb"{1,6}|%20|\+)([a-z0-9._~+/=\-]{20,}+)", _is_opaque),
    _rule(b"://", rb"[^\s/:@\"'<>]{0,200}:([^\s/@\"'<>]{1,256})@", lambda value: set(value) != {42}),
    _rule(b"passw", rb"(?:or)?d" + _IS + _WORD, _is_value),
    _rule(b"passphrase", _IS + _WORD, _is_value),
    _rule(b"secret", rb"(?:[_\-]?(?:access[_\-]?)?key)?" + _IS + _WORD, _is_value),
    _rule(b"token", _IS + _LONG_WORD, _is_token),
    _rule(b"client_assertion", _IS + _LONG_WORD, _is_token),
    _rule(b"key", _after(_KEYS, b"key") + _IS + _LONG_WORD, _is_token),
    *(
        _rule(word, _after((b"?", b"&"), word) + rest + rb"([^&\s\"'<>]{8,4096}+)")
        for word, rest in ((b"sig", rb"(?:nature)?="), (b"x-amz-", rb"(?:credential|signature)="), (b"authz=", b""), (b"code=", b""),
                           (b"ticket=", b""))
    ),
    *(_alone(word, rb"[A-Z0-9]{16}(?![A-Za-z0-9])") for word in (b"AKIA", b"ASIA")),
    _alone(b"gh", rb"[pousr]_[A-Za-z0-9]{30,}+"),
    *(_alone(word, rb"[A-Za-z0-9_\-]{20,}+") for word in (b"github_pat_", b"glpat-", b"hvs.")),
    _alone(b"MDA", rb"[xyz][A-Za-z0-9_+/=\-]{80,}+"),  # a macaroon
)


def secrets_in(text: bytes, start: int = 0) -> list[Span]:
    """Return where the secrets in ``text`` are that begin at ``start`` or later; what is before it is looked at, not searched."""
    lowered = text.lower()
    return [span for rule in RULES for span in _spans(rule, text, lowered if rule.lowered else text, start)]


def _spans(rule: Rule, text: bytes, searched: bytes, start: int) -> Iterator[Span]:
    if rule.word not in searched:
        return
    for match in rule.pattern.finditer(searched, start):
        begin, end = match.span(match.lastindex or 0)
        if rule.judge(text[begin:end]):
            yield match.start(), match.end(), begin, end
