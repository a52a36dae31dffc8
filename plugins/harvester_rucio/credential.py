"""A credential of the section ``credentials`` in the place of files that the settings name: somebody renews it."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from harvester_hpc.errors import CredentialRefused, Unavailable
from harvester_hpc.ports.carrier import Parked
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.credential import Form
from harvester_hpc.secret_file import mark_of
from harvester_rucio.account import AccountSettings

#: Errors of Rucio that another content of the credential may mend.
OF_THE_CREDENTIAL = frozenset({"CannotAuthenticate", "NoAuthInformation"})
#: What a kept credential stands for: {what is in its file: (key, the way to log in by it)}.
PLACES: Mapping[Form, tuple[str, str]] = {
    Form.PROXY: ("proxy", "x509_proxy"), Form.TOKEN: ("token_file", "oidc"), Form.FILE: ("password_file", "userpass"),
}
Settings = TypeVar("Settings", bound=AccountSettings)


def with_credential(settings: Settings, context: Context) -> Settings:
    """Return the settings with the file of the credential that they name."""
    manager = context.credentials.get(settings.credential)
    if manager is None:
        return settings
    key, auth_type = PLACES[manager.form]
    changes: dict[str, Any] = {key: str(manager.path), "auth_type": settings.auth_type or auth_type}
    return replace(settings, **changes)


def credential_problems(settings: AccountSettings, context: Context) -> Iterator[str]:
    """Give what is wrong with the name of the credential."""
    if not settings.credential:
        return
    manager = context.credentials.get(settings.credential)
    if manager is None:
        there = ", ".join(context.credentials) or "none"
        yield f"credential: there is no {settings.credential!r} in the section credentials of harvester.json; there is: {there}"
        return
    key, auth_type = PLACES[manager.form]
    if getattr(settings, key):
        yield f"credential: stands in the place of {key}; give one of them"
    if settings.auth_type not in ("", auth_type):
        yield f"credential: {settings.credential!r} is for authType {auth_type}, not {settings.auth_type}"


def mark_shown(settings: AccountSettings) -> str:
    """Return which content of the credential that the settings name is shown; "" if there is none, or they name none."""
    name = settings.proxy or settings.token_file or settings.password_file
    try:
        return mark_of(Path(name)) if settings.credential and name else ""
    except Unavailable:
        return ""


def refusal(settings: AccountSettings, parked: Parked, mark: str) -> CredentialRefused:
    """Return what to raise when Rucio does not take the content with this mark."""
    return CredentialRefused(parked.why, credential=settings.credential, mark=mark, remedy=parked.remedy)
