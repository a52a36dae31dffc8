"""VOMS proxies, made by ``voms-proxy-init`` or ``arcproxy`` of a long proxy, or of a certificate and key."""
from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester_creds.certificate import Chain, chain_in, key_problem
from harvester_creds.program import Ran, run
from harvester_creds.turns import Turns
from harvester_creds.words import without_secrets
from harvester_hpc.clock import Clock, SystemClock, as_text
from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.credential import Form, NotRenewed, Renewal, Renewed, Standing
from harvester_hpc.secret_file import draft_of, mark_of, read_secret, sync_folder

WORD = re.compile(r"[A-Za-z0-9_.-]+")
GROUP = re.compile(r"(/[A-Za-z0-9_.-]+)+")
NO_PASSWORD = "use a key without a password, or a long proxy (longProxy)"


@dataclass(frozen=True, slots=True, kw_only=True)
class VomsSettings:
    """A proxy and what it is made of.

    Attributes:
        file: the proxy; absolute, of mode 0600, replaced when it is renewed.
        vo: virtual organisation.
        group: of the VO, ``/atlas/phys``; "" for the whole VO.
        role: ``production``; "" for none.
        hours: of a new proxy and its attributes; the VOMS server may give less.
        long_proxy: a proxy without attributes that lasts for weeks; absolute, of mode 0600.
        certificate, key: the same in two files, the key without a password; all three "" for what the program finds by itself.
        program: ``voms-proxy-init`` or ``arcproxy``, or the path of one of them.
        options: further arguments of the program.
        timeout_s: seconds that it may take.
    """

    file: str
    vo: str
    group: str = ""
    role: str = ""
    hours: int = 24
    long_proxy: str = ""
    certificate: str = ""
    key: str = ""
    program: str = "voms-proxy-init"
    options: tuple[str, ...] = ()
    timeout_s: float = 60.0

    def problems(self) -> Iterator[str]:
        """Give what types cannot tell. Files with secrets may come later."""
        for name in ("file", "long_proxy", "certificate", "key"):
            value = getattr(self, name)
            if (value or name == "file") and not value.startswith("/"):
                yield f"{name}: must be an absolute path, not {value!r}"
        if self.file and self.file in (self.long_proxy, self.certificate, self.key):
            yield "file: would be overwritten by what is made of it"
        if bool(self.certificate) != bool(self.key):
            yield "key: certificate and key go together"
        if self.long_proxy and self.certificate:
            yield "long_proxy: a proxy is made of this, or of certificate and key, not of both"
        yield from self._words()
        if self.kind not in ("voms-proxy-init", "arcproxy"):
            yield f"program: must be voms-proxy-init or arcproxy, not {self.program!r}"
        elif shutil.which(self.program) is None:
            yield f"program: there is no program {self.program!r} on the PATH; load its module, or give its path"

    def _words(self) -> Iterator[str]:
        for name in ("vo", "role"):
            value = getattr(self, name)
            if (value or name == "vo") and not WORD.fullmatch(value):
                yield f"{name}: must be one word of letters and digits, not {value!r}"
        if self.group and not GROUP.fullmatch(self.group):
            yield f"group: must look like /{self.vo or 'vo'}/group, not {self.group!r}"
        if not 1 <= self.hours <= 8784:
            yield f"hours: must be from 1 to 8784, not {self.hours}"
        if not 1 <= self.timeout_s <= 600:
            yield f"timeout_s: must be from 1 to 600 seconds, not {self.timeout_s:g}"

    @property
    def kind(self) -> str:
        """Name of the program without its folder, for its form of arguments."""
        return Path(self.program).name

    @property
    def attribute(self) -> str:
        """The group and role that the proxy must have, as VOMS writes it."""
        return (self.group or f"/{self.vo}") + (f"/Role={self.role}" if self.role else "")


class VomsCredential:
    """A VOMS proxy. Made beside its place, looked at, and then renamed."""

    Settings = VomsSettings
    form = Form.PROXY
    renews = True

    def __init__(self, settings: VomsSettings, context: Context, clock: Clock | None = None) -> None:
        self.settings = settings
        self.path = Path(settings.file)
        self._clock = clock or SystemClock()
        self._turns = Turns(self.path, settings.timeout_s + 30.0)

    def check_credential(self) -> Standing:
        """Look at the proxy, and at what it is made of."""
        source = self._source()
        source_until, source_mark = _until_of(source), _mark_of(source)
        try:
            mark, content = read_secret(self.path)
            chain = chain_in(content)
        except (Unavailable, ValueError) as error:
            why = error.why if isinstance(error, Unavailable) else str(error)
            remedy = error.remedy if isinstance(error, Unavailable) and error.why != os.strerror(2) else "wait for its renewal"
            return Standing(source_until=source_until, source_mark=source_mark, why=f"{self.path}: {why}", remedy=remedy)
        return Standing(
            mark=mark, begins=chain.begins, until=chain.until, source_until=source_until, source_mark=source_mark,
            about=", ".join(chain.groups[:3]),
        )

    def renew_credential(self, mark: str) -> Renewal:
        """Let the program make another one."""
        return self._turns.take(mark, self.check_credential, self._renew)

    def _renew(self) -> Renewal:
        draft = draft_of(self.path)
        try:
            problem = self._source_problem()
            if problem:
                return NotRenewed(why=problem, remedy=NO_PASSWORD if "key" in problem else "renew it, mode 0600", final=True)
            argv, environment = arguments(self.settings, draft)
            failed = _failure(run(argv, environment, self.settings.timeout_s), self.settings) or self._fault_of(draft)
            if failed:
                return failed
            _secure(draft)
            draft.rename(self.path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(self.path.parent)
        return Renewed()

    def _source(self) -> Path | None:
        name = self.settings.long_proxy or self.settings.certificate
        return Path(name) if name else None

    def _source_problem(self) -> str:
        """Return why the program need not be tried; "" if it may be."""
        secret = self.settings.long_proxy or self.settings.key
        try:
            if secret:
                mark_of(Path(secret))
            if self.settings.certificate:
                mark_of(Path(self.settings.certificate), secret=False)
        except Unavailable as error:
            return f"{error.what}: {error.why}"
        until = _until_of(self._source())
        if until is not None and until <= self._clock.now():
            return f"{self._source()} has ended at {as_text(until)}"
        return ""

    def _fault_of(self, draft: Path) -> NotRenewed | None:
        """Return why what was made must not take the place of the old one; None if it may."""
        name = self.settings.kind
        try:
            chain = chain_in(draft.read_bytes())
        except OSError:
            return NotRenewed(why=f"{name} said that it went well, and made no proxy")
        except ValueError as error:
            return NotRenewed(why=f"{name} made something that is no whole proxy: {error}")
        problem = key_problem(draft)
        if problem:
            return NotRenewed(why=f"{name} made something that is no whole proxy: {problem}")
        if chain.until <= self._clock.now():
            return NotRenewed(why=f"the new proxy has ended already, at {as_text(chain.until)}", remedy="see that the clock is right")
        return self._lacking(chain)

    def _lacking(self, chain: Chain) -> NotRenewed | None:
        if not chain.has_voms:
            return NotRenewed(why="the new proxy has no VOMS attributes", remedy="see that you are a member of the VO")
        wanted = self.settings.attribute
        if chain.groups and not any(group == wanted or group.startswith(f"{wanted}/") for group in chain.groups):
            had = ", ".join(chain.groups[:5])
            return NotRenewed(why=f"the new proxy is not for {wanted} but for {had}", remedy="ask the VO for that role", final=True)
        return None


def arguments(settings: VomsSettings, out: Path) -> tuple[list[str], Mapping[str, str]]:
    """Return the command line and additions to the environment that make a proxy in ``out``."""
    source = (settings.long_proxy, settings.long_proxy) if settings.long_proxy else (settings.certificate, settings.key)
    spec = f"{settings.vo}:{settings.attribute}" if settings.group or settings.role else settings.vo
    argv = [settings.program]
    if settings.kind == "arcproxy":
        argv += ["-S", spec, "-c", f"validityPeriod={settings.hours}H", "-c", f"vomsACvalidityPeriod={settings.hours}H", "-P", str(out)]
        argv += ["-C", source[0], "-K", source[1]] if source[0] else []
        return [*argv, *settings.options], {}
    argv += ["-rfc", "-voms", spec, "-valid", f"{settings.hours}:00", "-out", str(out)]
    argv += ["-cert", source[0], "-key", source[1]] if source[0] else []
    # A proxy is made of a proxy only if it is told to use the one there is.
    argv += ["-noregen"] if settings.long_proxy else []
    return [*argv, *settings.options], {"X509_USER_PROXY": settings.long_proxy} if settings.long_proxy else {}


def _failure(ran: Ran, settings: VomsSettings) -> NotRenewed | None:
    if ran.code == 0:
        return None
    said = without_secrets(f"{ran.said} {ran.output.decode(errors='replace')}")
    why = ran.why or f"{settings.kind} ended with {ran.code}"
    asks = ran.asks
    return NotRenewed(why=f"{why}: {said}" if said else why, remedy=NO_PASSWORD if asks else "", final=asks)


def _secure(path: Path) -> None:
    number = os.open(path, os.O_RDWR)
    try:
        os.fchmod(number, 0o600)
        os.fsync(number)
    finally:
        os.close(number)


def _until_of(path: Path | None) -> float | None:
    """Return the end of what a proxy is made of; None if that is not known."""
    try:
        return None if path is None else chain_in(path.read_bytes()).until
    except (OSError, ValueError):
        return None


def _mark_of(path: Path | None) -> str:
    try:
        return "" if path is None else mark_of(path, secret=False)
    except Unavailable:
        return ""
