"""Parts of the configuration that lie elsewhere: their addresses, and the copies of them that were good."""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harvester_hpc.config import source
from harvester_hpc.config.address import Access, problem
from harvester_hpc.config.expand import absolute, expanded_values
from harvester_hpc.config.kinds import OneLine
from harvester_hpc.config.locate import FILE_NAME, state_dir
from harvester_hpc.config.problems import Finding, Problem
from harvester_hpc.config.validate import FileModel, validated
from harvester_hpc.errors import ConfigurationError, Unavailable

log = logging.getLogger(__name__)

#: The key in harvester.json.
REMOTE = "remote"
INSTANCE, QUEUES = "instance", "queues"
#: Variables with the addresses, as the existing Harvester has them; what the file says comes first.
VARIABLES: Mapping[str, str] = {INSTANCE: "HARVESTER_INSTANCE_CONFIG_URL", QUEUES: "HARVESTER_QUEUE_CONFIG_URL"}
FOLDER = "remote"


class RemoteSettings(FileModel):
    """Parts of the configuration that lie elsewhere; what stands in the user's own file wins."""

    instance: Annotated[
        str, Field(description="address (https, http, file) of a file like harvester.json; by default $HARVESTER_INSTANCE_CONFIG_URL")
    ] = ""
    queues: Annotated[str, Field(description="address of a file with queues; by default $HARVESTER_QUEUE_CONFIG_URL")] = ""
    tokenFile: Annotated[OneLine, Field(description="file (mode 0600) with a token for the server")] = ""
    certificateFile: Annotated[OneLine, Field(description="certificate that we show, such as a proxy")] = ""
    keyFile: Annotated[OneLine, Field(description="its key; by default in the same file")] = ""
    caFile: Annotated[OneLine, Field(description="authorities that the server's certificate may be from; by default the system's")] = ""
    timeout: Annotated[float, Field(gt=0, le=3600, description="seconds for getting one file")] = 60.0
    maxMB: Annotated[float, Field(gt=0, le=100, description="megabytes that one file may have")] = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A remote file as text.

    Attributes:
        what: INSTANCE or QUEUES.
        fetched: seconds since 1970.
    """

    what: str
    url: str
    text: str
    fetched: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """{what: address}, how they are asked, and the folder of the copies."""

    urls: Mapping[str, str]
    access: Access
    folder: Path

    def fetched(self, what: str, now: float) -> Remote:
        """Return the file as it is there now.

        Raises:
            Unavailable: it cannot be had.
        """
        from harvester_hpc.config.fetch import fetch  # slow to import, and mostly there is a copy

        return Remote(what=what, url=self.urls[what], text=fetch(self.urls[what], self.access), fetched=now)

    def kept(self, what: str) -> Remote | None:
        """Return the last good copy; None if there is none of this address."""
        try:
            values = json.loads((self.folder / f"{what}.json").read_bytes())
            found = Remote(**values)
        except (OSError, ValueError, TypeError):
            return None
        return found if found.url == self.urls[what] and isinstance(found.text, str) else None


def addresses(home: Path, environ: Mapping[str, str]) -> Addresses:
    """Return where the remote parts of an instance's configuration lie; none is asked.

    Raises:
        ConfigurationError: harvester.json cannot be read, or its ``remote`` cannot be used.
    """
    document = source.read(home / FILE_NAME)
    said = document.values.get(REMOTE, {})
    values, findings = expanded_values(said, environ)
    settings, wrong = validated(RemoteSettings, values if isinstance(values, dict) else {})
    if not isinstance(said, dict):
        findings.append(Finding(keys=(), message="must be an object"))
    settings = settings or RemoteSettings()
    access = Access(
        **{name: str(absolute(text, home, environ)) if text else "" for name, text in (
            ("token_file", settings.tokenFile), ("certificate_file", settings.certificateFile), ("key_file", settings.keyFile),
            ("ca_file", settings.caFile),
        )},
        timeout_s=settings.timeout, most=int(settings.maxMB * 1_000_000),
    )
    urls = {what: url for what in VARIABLES if (url := getattr(settings, what) or environ.get(VARIABLES[what], ""))}
    findings += [*wrong, *(Finding(keys=(what,), message=why) for what, url in urls.items() if (why := problem(url, access)))]
    if findings:
        lines = tuple(str(Problem.at(document.place.below(REMOTE, *one.keys), one.message)) for one in findings)
        raise ConfigurationError("the remote configuration cannot be used", lines)
    # without remote parts a state folder that cannot be used is one problem of many
    return Addresses(urls=urls, access=access, folder=(state_dir(home, environ) if urls else home) / FOLDER)


def known(home: Path, environ: Mapping[str, str], now: float) -> tuple[Remote, ...]:
    """Return the remote files by their copies; one that has none is fetched (and not kept: that is for the instance that runs).

    Raises:
        ConfigurationError: a file has no copy and cannot be had.
    """
    where = addresses(home, environ)
    found = []
    for what in where.urls:
        try:
            found.append(where.kept(what) or where.fetched(what, now))
        except Unavailable as error:
            raise never_had(error) from error
    return tuple(found)


def never_had(error: Unavailable) -> ConfigurationError:
    """Return the error of a remote file that cannot be had, where no copy of it is there either."""
    return ConfigurationError(error.what, why=error.why, remedy="there is no copy of it from before; correct its address")


def keep(folder: Path, files: Iterable[Remote]) -> None:
    """Keep good copies: each is there whole, or the one before is.

    Raises:
        OSError: they cannot be kept.
    """
    for one in files:
        folder.mkdir(mode=0o700, exist_ok=True)
        draft = folder / f".{one.what}.json"
        with open(draft, "w", encoding="utf-8", opener=_private) as stream:
            json.dump(asdict(one), stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(folder / f"{one.what}.json")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
