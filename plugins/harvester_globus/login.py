"""Logging in and out, and what an account may do. A person is at the terminal."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from harvester_globus.account import AUTH, TRANSFER, Account, retries, transfer_client, transport
from harvester_globus.refusal import sorted_error
from harvester_hpc.clock import as_text
from harvester_hpc.errors import HarvesterError

if TYPE_CHECKING:
    from globus_sdk import ClientApp, UserApp

SCOPES = ("openid", "profile", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a login has to satisfy besides; empty: nothing."""

    identities: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    mfa: bool = False

    def __bool__(self) -> bool:
        """Whether anything is demanded."""
        return bool(self.identities or self.domains or self.policies or self.mfa)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A collection and whether it may be used. needs_consent: it is mapped and no high-assurance one."""

    id: str
    name: str
    needs_consent: bool
    consented: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """An account as it stands.

    Attributes:
        expires: ISO 8601 in UTC, when the present access token ends; it is renewed before that by itself.
        renewed: how it is renewed.
    """

    client_id: str
    identity: str
    username: str
    expires: str
    renewed: str
    token_file: str
    collections: tuple[Access, ...]

    def as_dictionary(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Give it for a person."""
        yield f"client       {self.client_id}"
        yield f"identity     {self.username} ({self.identity})"
        yield f"access until {self.expires}, then renewed {self.renewed}"
        yield f"tokens in    {self.token_file}"
        for one in self.collections:
            word = "no consent needed" if not one.needs_consent else "consent given" if one.consented else "CONSENT MISSING: log in again"
            yield f"collection   {one.id} {one.name}: {word}"


def logged_in(account: Account, collections: Sequence[str], session: Session) -> str:
    """Log in, consent to what ``collections`` want, and return a line that says who we are.

    Raises:
        HarvesterError: it did not work.
    """
    from harvester_globus.terminal import TerminalFlow

    account.token_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with told(account):
        app = _app(account, account.app(TerminalFlow))
        _log_in(app, session, force=bool(session) or not account.is_person or not _works(app))
        missing = [one for one in access_to(app, account, collections) if one.needs_consent and not one.consented]
        if missing:
            _consent(app, account, missing)
        user = _userinfo(app)
    return f"logged in as {user.get('preferred_username')} ({user.get('sub')}); tokens in {account.token_file}"


def logged_out(account: Account) -> str:
    """Revoke and remove the tokens; return a line that says so."""
    from harvester_globus.tokens import TokenFile

    if not TokenFile(account.token_file).get_token_data_by_resource_server():
        return f"nobody was logged in with client {account.client_id}"
    with told(account):
        _app(account, account.app()).logout(sweep=True)
    return f"logged out: the tokens of client {account.client_id} are revoked and removed"


def who(account: Account, collections: Sequence[str]) -> Who:
    """Return who is logged in.

    Raises:
        HarvesterError: nobody, or Globus does not answer.
    """
    with told(account):
        app = _app(account, account.app())
        user = _userinfo(app)
        access = tuple(access_to(app, account, collections))
        tokens = app.token_storage.token_storage.get_token_data_by_resource_server()
    return Who(
        client_id=account.client_id, identity=str(user.get("sub")), username=str(user.get("preferred_username")),
        expires=as_text(tokens[TRANSFER].expires_at_seconds), token_file=str(account.token_file), collections=access,
        renewed="by a refresh token, good until it is unused for six months" if account.is_person else "with the client's secret",
    )


def access_to(app: UserApp | ClientApp, account: Account, collections: Sequence[str]) -> Iterator[Access]:
    """Tell of each collection whether it wants a consent, and whether that is given."""
    import globus_sdk

    transfer = transfer_client(app)
    auth = globus_sdk.AuthClient(app=app, transport=transport(), retry_config=retries())
    identity = _userinfo(app).get("sub") or account.client_id
    given = {str(one["scope_name"]) for one in auth.get_consents(identity)["consents"]} if collections else set()
    for one in collections:
        found = transfer.get_endpoint(one)
        needs = "mapped_collection" in str(found.get("entity_type")) and not found.get("high_assurance")
        yield Access(
            id=one, name=str(found.get("display_name") or ""), needs_consent=needs,
            consented=globus_sdk.scopes.GCSCollectionScopes(one).data_access.scope_string in given,
        )


@contextmanager
def told(account: Account) -> Iterator[None]:
    """Turn what the SDK raises into errors that say what to do.

    Raises:
        HarvesterError: whatever went wrong.
    """
    from globus_sdk import GlobusError
    from globus_sdk.token_storage.validating_token_storage import IdentityMismatchError

    try:
        yield
    except IdentityMismatchError as error:
        remedy = "log in with the same identity, or `harvester-hpc globus logout` first: batches under way belong to the other one"
        raise HarvesterError("this is another identity than the one that is logged in", why=str(error), remedy=remedy) from error
    except GlobusError as error:
        raise sorted_error(error, account) from error


def _app(account: Account, app: UserApp | ClientApp) -> UserApp | ClientApp:
    from globus_sdk.scopes import AuthScopes, TransferScopes

    app.add_scope_requirements({TRANSFER: [TransferScopes.all], AUTH: [AuthScopes.openid, AuthScopes.profile, AuthScopes.email]})
    return app


def _works(app: UserApp | ClientApp) -> bool:
    """Tell whether the login that there is still does."""
    from globus_sdk import GlobusAPIError
    from globus_sdk.token_storage import TokenValidationError

    if app.login_required():
        return False
    try:
        _userinfo(app)
    except TokenValidationError:
        return False
    except GlobusAPIError as error:
        if error.http_status >= 500:
            raise
        return False
    return True


def _log_in(app: UserApp | ClientApp, session: Session, *, force: bool) -> None:
    from globus_sdk.gare import GlobusAuthorizationParameters

    if not session:
        app.login(force=force)
        return
    app.login(force=True, auth_params=GlobusAuthorizationParameters(
        session_required_identities=list(session.identities) or None, session_required_single_domain=list(session.domains) or None,
        session_required_policies=list(session.policies) or None, session_required_mfa=session.mfa or None,
    ))


def _consent(app: UserApp | ClientApp, account: Account, missing: Sequence[Access]) -> None:
    """Log in once more, for the consents that are known only after the first time."""
    from globus_sdk.scopes import GCSCollectionScopes, TransferScopes

    for one in missing:
        click.echo(f"collection {one.name} ({one.id}) is a mapped one: Globus wants your consent that we use your data there")
    wanted = TransferScopes.all
    for one in missing:
        wanted = wanted.with_dependency(GCSCollectionScopes(one.id).data_access.with_optional(True))
    app.add_scope_requirements({TRANSFER: [wanted]})
    app.login(force=True)
    still = [one.id for one in access_to(app, account, [one.id for one in missing]) if not one.consented]
    if still:
        raise HarvesterError(f"no consent was given to {', '.join(still)}", remedy=account.login_command())


def _userinfo(app: UserApp | ClientApp) -> Mapping[str, Any]:
    import globus_sdk

    client = globus_sdk.AuthClient(app=app, transport=transport(), retry_config=retries())
    found: Mapping[str, Any] = client.userinfo().data
    return found
