"""Logging in and out, and what an account may do. A person is at the terminal."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from harvester_globus.account import AUTH, TRANSFER, Account, Session, retries
from harvester_globus.refusal import sorted_error
from harvester_hpc.clock import as_text
from harvester_hpc.errors import HarvesterError

if TYPE_CHECKING:
    from globus_sdk import AuthClient
    from globus_sdk.globus_app.protocols import LoginFlowManagerProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
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


def logged_in(account: Account, collections: Sequence[str], demands: Demands) -> str:
    """Log in, consent to what ``collections`` want, and return a line that says who we are.

    Raises:
        HarvesterError: it did not work.
    """
    from harvester_globus.terminal import TerminalFlow

    account.token_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _at_work(account, TerminalFlow) as desk:
        desk.log_in(demands, force=bool(demands) or not account.is_person or not desk.works())
        missing = [one for one in desk.access_to(collections) if one.needs_consent and not one.consented]
        if missing:
            desk.consent(missing)
        user = desk.user()
    return f"logged in as {user.get('preferred_username')} ({user.get('sub')}); tokens in {account.token_file}"


def logged_out(account: Account) -> str:
    """Revoke and remove the tokens; return a line that says so."""
    from harvester_globus.tokens import TokenFile

    if not TokenFile(account.token_file).get_token_data_by_resource_server():
        return f"nobody was logged in with client {account.client_id}"
    with _at_work(account) as desk:
        desk.app.logout(sweep=True)
    return f"logged out: the tokens of client {account.client_id} are revoked and removed"


def who(account: Account, collections: Sequence[str]) -> Who:
    """Return who is logged in.

    Raises:
        HarvesterError: nobody, or Globus does not answer.
    """
    with _at_work(account) as desk:
        user = desk.user()
        access = tuple(desk.access_to(collections))
        expires = desk.app.token_storage.get_token_data(TRANSFER).expires_at_seconds
    return Who(
        client_id=account.client_id, identity=str(user.get("sub")), username=str(user.get("preferred_username")),
        expires=as_text(expires), token_file=str(account.token_file), collections=access,
        renewed="by a refresh token, good until it is unused for six months" if account.is_person else "with the client's secret",
    )


class Desk:
    """Where somebody logs in: an application with clients of both services.

    Every method raises what the SDK raises.
    """

    def __init__(self, account: Account, session: Session, auth: AuthClient) -> None:
        self.account = account
        self.app = session.app
        self._transfer = session.transfer
        self._auth = auth

    def user(self) -> Mapping[str, Any]:
        """Return who is logged in: ``sub``, ``preferred_username``."""
        found: Mapping[str, Any] = self._auth.userinfo().data
        return found

    def works(self) -> bool:
        """Tell whether the login that there is still does."""
        from globus_sdk import GlobusAPIError
        from globus_sdk.token_storage import TokenValidationError

        if self.app.login_required():
            return False
        try:
            self.user()
        except TokenValidationError:
            return False
        except GlobusAPIError as error:
            if error.http_status >= 500:
                raise
            return False
        return True

    def log_in(self, demands: Demands, *, force: bool) -> None:
        """Log in, as ``demands`` say; if nothing is demanded, only if there is need to or ``force``."""
        from globus_sdk.gare import GlobusAuthorizationParameters

        if not demands:
            self.app.login(force=force)
            return
        self.app.login(force=True, auth_params=GlobusAuthorizationParameters(
            session_required_identities=list(demands.identities) or None, session_required_single_domain=list(demands.domains) or None,
            session_required_policies=list(demands.policies) or None, session_required_mfa=demands.mfa or None,
        ))

    def access_to(self, collections: Sequence[str]) -> Iterator[Access]:
        """Tell of each collection whether it wants a consent, and whether that is given."""
        from globus_sdk.scopes import GCSCollectionScopes

        identity = self.user().get("sub") or self.account.client_id
        given = {str(one["scope_name"]) for one in self._auth.get_consents(identity)["consents"]} if collections else set()
        for one in collections:
            found = self._transfer.get_endpoint(one)
            yield Access(
                id=one, name=str(found.get("display_name") or ""), consented=GCSCollectionScopes(one).data_access.scope_string in given,
                needs_consent="mapped_collection" in str(found.get("entity_type")) and not found.get("high_assurance"),
            )

    def consent(self, missing: Sequence[Access]) -> None:
        """Log in once more, for the consents that are known only after the first time.

        Raises:
            HarvesterError: they were not given.
        """
        from globus_sdk.scopes import GCSCollectionScopes, TransferScopes

        wanted = TransferScopes.all
        for one in missing:
            click.echo(f"collection {one.name} ({one.id}) is a mapped one: Globus wants your consent that we use your data there")
            wanted = wanted.with_dependency(GCSCollectionScopes(one.id).data_access.with_optional(True))
        self.app.add_scope_requirements({TRANSFER: [wanted]})
        self.app.login(force=True)
        still = [one.id for one in self.access_to([one.id for one in missing]) if not one.consented]
        if still:
            raise HarvesterError(f"no consent was given to {', '.join(still)}", remedy=self.account.login_command())


@contextmanager
def _at_work(account: Account, flow: LoginFlowManagerProvider | None = None) -> Iterator[Desk]:
    """Give a desk; what the SDK raises there becomes an error that says what to do."""
    import globus_sdk
    from globus_sdk.scopes import AuthScopes, TransferScopes

    with _told(account), closing(account.session(flow)) as session:
        about_us = [AuthScopes.openid, AuthScopes.profile, AuthScopes.email]
        session.app.add_scope_requirements({TRANSFER: [TransferScopes.all], AUTH: about_us})
        with globus_sdk.AuthClient(app=session.app, retry_config=retries()) as auth:
            yield Desk(account, session, auth)


@contextmanager
def _told(account: Account) -> Iterator[None]:
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
