"""Who we are to Globus: an application with its tokens, and the clients made of it."""
from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harvester_hpc.errors import HarvesterError

if TYPE_CHECKING:
    from globus_sdk import AuthLoginClient, ClientApp, UserApp
    from globus_sdk.globus_app.protocols import LoginFlowManagerProvider
    from globus_sdk.transport import RetryCheckResult, RetryConfig, RetryContext

PROGRAM = "harvester_hpc"
AUTH, TRANSFER = "auth.globus.org", "transfer.api.globus.org"
#: Tries of a call beyond the first, and the longest pause before one, in seconds.
TRIES, PAUSE_S = 2, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An application and where its secrets lie.

    Attributes:
        secret_file: absolute; "" if a person has logged in.
        token_file: absolute.
    """

    client_id: str
    secret_file: str
    token_file: Path

    @property
    def is_person(self) -> bool:
        """Whether a person logs in; else the application acts for itself."""
        return not self.secret_file

    def login_command(self, options: Sequence[str] = ()) -> str:
        """Return the command line that mends what only a login can mend."""
        return shlex.join(["harvester-hpc", "globus", "login", "--client", self.client_id, *options])

    def session(self, flow: LoginFlowManagerProvider | None = None) -> Session:
        """Make the application and a client of the Transfer service.

        Args:
            flow: how a person logs in; a client with a secret needs none. Without it nothing is ever asked: what wants a person raises.

        Raises:
            HarvesterError: the secret cannot be read.
        """
        import globus_sdk

        from harvester_globus.tokens import TokenFile

        config = globus_sdk.GlobusAppConfig(
            token_storage=TokenFile(self.token_file), request_refresh_tokens=self.is_person, token_validation_error_handler=None,
            auto_redrive_gares=False, login_flow_manager=flow if self.is_person else None,
        )
        if self.is_person:
            person = globus_sdk.NativeAppAuthClient(self.client_id, app_name=PROGRAM, retry_config=retries())
            return Session(globus_sdk.UserApp(PROGRAM, login_client=person, config=config), person)
        client = globus_sdk.ConfidentialAppAuthClient(self.client_id, self._secret(), app_name=PROGRAM, retry_config=retries())
        return Session(globus_sdk.ClientApp(PROGRAM, login_client=client, config=config), client)

    def _secret(self) -> str:
        try:
            secret = Path(self.secret_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            remedy = f"write the client's secret into {self.secret_file}, mode 0600"
            raise HarvesterError("the secret of the Globus client cannot be read", why=str(error), remedy=remedy) from error
        return secret


class Session:
    """An application at work.

    Args:
        login: what it gets tokens by; closed with it.
    """

    def __init__(self, app: UserApp | ClientApp, login: AuthLoginClient) -> None:
        import globus_sdk

        self.app = app
        self.transfer = globus_sdk.TransferClient(app=app, retry_config=retries())
        self._login = login

    def close(self) -> None:
        """Close its connections."""
        self.transfer.close()
        self.app.close()
        self._login.close()


def retries() -> RetryConfig:
    """Return what the SDK tries again by itself: little, and never what it was told to wait with. One for each client.

    The SDK's own way sleeps up to a minute in a call, and cuts a longer ``Retry-After`` short.
    """
    from globus_sdk.transport import RetryConfig

    config = RetryConfig(max_retries=TRIES, max_sleep=PAUSE_S)
    config.checks.register_check(_not_when_told_to_wait)  # the client adds its own checks behind this one
    return config


def _not_when_told_to_wait(context: RetryContext) -> RetryCheckResult:
    from globus_sdk.transport import RetryCheckResult

    answer = context.response
    if answer is not None and (answer.status_code == 429 or "Retry-After" in answer.headers):
        return RetryCheckResult.do_not_retry
    return RetryCheckResult.no_decision
