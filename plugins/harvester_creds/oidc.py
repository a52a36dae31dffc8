"""OIDC tokens in a file: renewed by a command, by the server's token endpoint, or by others."""
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harvester_creds.endpoint import Client, GrantRefusedError, Tokens, address_problem, granted
from harvester_creds.program import run
from harvester_creds.token_times import times_of
from harvester_creds.turns import Turns
from harvester_creds.words import without_secrets
from harvester_hpc.clock import Clock, SystemClock, as_text
from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.credential import Form, NotRenewed, Renewal, Renewed, Standing
from harvester_hpc.secret_file import draft_of, drop_drafts, mark_of, put_secret, read_token, token_in

#: In the command: the file that it writes; without it the token is what it prints.
OUT = "${out}"
USES = ("access_token", "id_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """A token and how it is renewed; without ``command``, ``token_endpoint`` and ``issuer`` others do that.

    Attributes:
        file: with the token; absolute, of mode 0600.
        command: program and arguments; it prints a token, or writes it to the file that stands for ``${out}``. No secret belongs here.
        token_endpoint: of the server, https.
        issuer: of which the token endpoint is asked, if that is not given.
        client_id: as the server knows us.
        client_secret_file: absolute, of mode 0600; "" for a public client.
        refresh_token_file: absolute, of mode 0600; written anew when the server gives another one. "": the client asks for itself.
        client_auth: how the secret is sent: ``basic`` or ``post``.
        scope, audience: asked for; "" for what the server gives by itself.
        use: which token of the answer: ``access_token`` or ``id_token``.
        ca_file: certificates of the authorities that may vouch for the server; "" for those of the machine.
        timeout_s: seconds that command or server may take.
    """

    file: str
    command: tuple[str, ...] = ()
    token_endpoint: str = ""
    issuer: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    refresh_token_file: str = ""
    client_auth: str = "basic"
    scope: str = ""
    audience: str = ""
    use: str = "access_token"
    ca_file: str = ""
    timeout_s: float = 30.0

    def problems(self) -> Iterator[str]:
        """Give what types cannot tell. Files with secrets may come later."""
        for name in ("file", "client_secret_file", "refresh_token_file", "ca_file"):
            value = getattr(self, name)
            if (value or name == "file") and not value.startswith("/"):
                yield f"{name}: must be an absolute path, not {value!r}"
        if self.file and self.file in (self.client_secret_file, self.refresh_token_file):
            yield "file: would be overwritten by what is made of it"
        if self.ca_file.startswith("/") and not Path(self.ca_file).is_file():
            yield f"ca_file: there is no file {self.ca_file}"
        if not 1 <= self.timeout_s <= 600:
            yield f"timeout_s: must be from 1 to 600 seconds, not {self.timeout_s:g}"
        if self.client_auth not in ("basic", "post"):
            yield f"client_auth: must be basic or post, not {self.client_auth!r}"
        if self.use not in USES:
            yield f"use: must be one of {', '.join(USES)}, not {self.use!r}"
        yield from self._ways()

    def _ways(self) -> Iterator[str]:
        if self.command and shutil.which(self.command[0]) is None:
            yield f"command: there is no program {self.command[0]!r} on the PATH"
        for name in ("token_endpoint", "issuer"):
            problem = address_problem(getattr(self, name)) if getattr(self, name) else ""
            if problem:
                yield f"{name}: {problem}"
        asks = bool(self.token_endpoint or self.issuer)
        if asks and self.command:
            yield "command: a token is renewed by this, or by token_endpoint or issuer, not by both"
        if asks and not self.client_id:
            yield "client_id: is missing; the server knows us by it"
        if asks and not (self.refresh_token_file or self.client_secret_file):
            yield "refresh_token_file: is missing, and without a clientSecretFile the client cannot ask for itself"
        if not asks and (self.refresh_token_file or self.client_secret_file):
            yield "token_endpoint: is missing; who takes the refresh token, or the client's secret?"


class OidcCredential:
    """A token in a file. A new refresh token is on the disk before the token that came with it is used."""

    Settings = OidcSettings
    form = Form.TOKEN

    def __init__(self, settings: OidcSettings, context: Context, clock: Clock | None = None) -> None:
        self.settings = settings
        self.path = Path(settings.file)
        self.renews = bool(settings.command or settings.token_endpoint or settings.issuer)
        self._clock = clock or SystemClock()
        also = Path(settings.refresh_token_file) if settings.refresh_token_file else None
        self._turns = Turns(self.path, 2 * settings.timeout_s + 30.0, also)
        self._beside = self.path.with_name(f".{self.path.name}.until")
        # A refresh token that the disk did not take: the server knows no other any more.
        self._unsaved = ""
        self._spent = ""  # mark of the refresh token that it was given for
        self._unheard = 0.0

    def check_credential(self) -> Standing:
        """Look at the token, and at the refresh token."""
        source_mark, source_until = self._source()
        try:
            mark, token = read_token(self.path)
        except Unavailable as error:
            why = "; ".join(part for part in (error.what, error.why) if part)
            return Standing(source_mark=source_mark, source_until=source_until, why=why, remedy=error.remedy)
        found = times_of(token)
        until = self._said_until(mark) if found.until is None else found.until
        return Standing(
            mark=mark, begins=found.begins, until=until, source_mark=source_mark, source_until=source_until, about=found.issuer,
            remedy="" if self.renews else f"write a new token to {self.path}",
        )

    def renew_credential(self, mark: str) -> Renewal:
        """Get another token."""
        if not self.renews:
            return NotRenewed(why="nobody told us how to renew it", remedy=f"write a new token to {self.path}", final=True)
        return self._turns.take(mark, self.check_credential, self._by_command if self.settings.command else self._by_grant)

    # -- by a command --------------------------------------------------------------------------------

    def _by_command(self) -> Renewal:
        draft = draft_of(self.path)
        writes = any(OUT in word for word in self.settings.command)
        argv = [word.replace(OUT, str(draft)) for word in self.settings.command]
        name = Path(argv[0]).name
        try:
            ran = run(argv, {}, self.settings.timeout_s)
            if ran.code != 0:
                said = without_secrets(ran.said)
                why = ran.why or f"{name} ended with {ran.code}"
                return NotRenewed(why=f"{why}: {said}" if said else why, final=ran.asks, remedy="it must ask nobody" if ran.asks else "")
            try:
                raw = draft.read_bytes() if writes else ran.output
                return self._placed(token_in(raw, f"what {name} {'wrote' if writes else 'printed'}"))
            except Unavailable as error:
                return NotRenewed(why=f"{error.what}: {error.why}")
        finally:
            draft.unlink(missing_ok=True)

    # -- by the token endpoint -----------------------------------------------------------------------

    def _by_grant(self) -> Renewal:
        try:
            self._save_refresh_token()
            client, grant = self._client(), self._grant()
        except Unavailable as error:
            return NotRenewed(why=f"{error.what}: {error.why}", remedy=error.remedy, final=True)
        try:
            tokens = granted(client, grant, self.settings.use)
        except GrantRefusedError as error:
            return NotRenewed(why=self._with_doubt(error), remedy=error.remedy, final=error.final)
        self._unheard = 0.0
        return self._kept(tokens)

    def _kept(self, tokens: Tokens) -> Renewal:
        if tokens.refresh_token and self.settings.refresh_token_file:
            self._unsaved = tokens.refresh_token
            self._save_refresh_token()
        done = self._placed(tokens.token)
        if isinstance(done, Renewed) and tokens.lasts_s is not None:
            self._remember_until(self._clock.now() + tokens.lasts_s)
        return done

    def _save_refresh_token(self) -> None:
        """Put the new refresh token in the place of the one that it was given for; one that somebody has put there since is newer."""
        if self._unsaved and self._source()[0] in (self._spent, ""):
            put_secret(Path(self.settings.refresh_token_file), f"{self._unsaved}\n".encode())
        self._unsaved = ""

    def _with_doubt(self, error: GrantRefusedError) -> str:
        """Return why; an answer that was lost may have held another refresh token, and then the old one is worth nothing."""
        if error.silent:
            self._unheard = self._clock.now()
        elif error.final and self._unheard:
            return f"{error.why} (an answer of {as_text(self._unheard)} was lost; perhaps it held a new refresh token)"
        return error.why

    def _client(self) -> Client:
        given = self.settings
        secret = read_token(Path(given.client_secret_file))[1] if given.client_secret_file else ""
        return Client(
            endpoint=given.token_endpoint, issuer=given.issuer, client_id=given.client_id, secret=secret, ca_file=given.ca_file,
            in_body=given.client_auth == "post", timeout_s=given.timeout_s,
        )

    def _grant(self) -> dict[str, str]:
        given = self.settings
        wanted = {name: value for name, value in (("scope", given.scope), ("audience", given.audience)) if value}
        if not given.refresh_token_file:
            return {"grant_type": "client_credentials", **wanted}
        self._spent, token = read_token(Path(given.refresh_token_file))
        return {"grant_type": "refresh_token", "refresh_token": token, **wanted}

    # -- both ----------------------------------------------------------------------------------------

    def _placed(self, token: str) -> Renewal:
        until = times_of(token).until
        if until is not None and until <= self._clock.now():
            return NotRenewed(why=f"the new token has ended already, at {as_text(until)}", remedy="see that the clock is right")
        put_secret(self.path, f"{token}\n".encode())
        return Renewed()

    def _source(self) -> tuple[str, float | None]:
        """Return (mark, end) of the refresh token; ("", None) if there is none, or it does not say."""
        if not self.settings.refresh_token_file:
            return "", None
        try:
            mark, token = read_token(Path(self.settings.refresh_token_file))
        except Unavailable:
            return "", None
        return mark, times_of(token).until

    def _remember_until(self, until: float) -> None:
        """Keep the end of a token that does not say it itself; nothing secret."""
        drop_drafts(self._beside)
        with suppress(Unavailable):
            put_secret(self._beside, json.dumps({"mark": mark_of(self.path), "until": until}).encode())

    def _said_until(self, mark: str) -> float | None:
        try:
            kept = json.loads(self._beside.read_bytes())
        except (OSError, ValueError):
            return None
        until = kept.get("until") if isinstance(kept, dict) and kept.get("mark") == mark else None
        return float(until) if isinstance(until, int | float) else None
