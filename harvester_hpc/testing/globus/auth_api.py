"""The Auth service, as far as tokens go: client credentials, login by a code, refresh, revocation, consents."""
from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harvester_hpc.testing.globus.faults import TRANSFER_SCOPE, Answer, RefusedError
from harvester_hpc.testing.globus.identity import Signer
from harvester_hpc.testing.globus.world import World

TRANSFER, AUTH = "transfer.api.globus.org", "auth.globus.org"
_DEPENDENT = re.compile(r"https://auth\.globus\.org/scopes/[0-9a-f-]+/data_access")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: form fields and query together, client id and secret of the header (\"\" without), the address of this service."""

    fields: Mapping[str, str]
    client: str
    secret: str
    bearer: str
    address: str
    id: str = ""
    now: float


class AuthApi:
    """Gives tokens and remembers consents."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.signer = Signer()
        self.answers: Mapping[str, Callable[[Ask], Answer]] = MappingProxyType({
            "token": self.token, "revoke": self.revoke, "authorize": self.authorize, "userinfo": self.userinfo, "jwk": self.jwk,
            "openid_configuration": self.openid_configuration, "consents": self.consents,
        })

    def token(self, ask: Ask) -> Answer:
        """Give tokens for what is shown: a code, a refresh token, or the secret of a client."""
        kind = ask.fields.get("grant_type")
        if kind == "client_credentials":
            return self._for_client(ask)
        if kind == "authorization_code":
            return self._for_code(ask)
        if kind == "refresh_token":
            return self._for_refresh(ask)
        raise RefusedError(400, "Error", "unknown grant", error="unsupported_grant_type")

    def _for_client(self, ask: Ask) -> Answer:
        if not ask.client or ask.secret != self.world.setting("secret"):
            raise RefusedError(401, "Error", "bad client", error="invalid_client")
        return self._granted(ask.client, ask.client, ask.fields.get("scope", TRANSFER_SCOPE), ask, with_refresh=False)

    def _for_code(self, ask: Ask) -> Answer:
        found = self.world.row("SELECT * FROM code WHERE code = ?", ask.fields.get("code", ""))
        verifier = hashlib.sha256(ask.fields.get("code_verifier", "").encode()).digest()
        if found is None or base64.urlsafe_b64encode(verifier).rstrip(b"=").decode() != found["challenge"].rstrip("="):
            raise RefusedError(401, "Error", "bad code", error="invalid_grant")
        self.world.rows("DELETE FROM code WHERE code = ?", found["code"])
        return self._granted(str(self.world.setting("identity")), found["client"], found["scope"], ask, with_refresh=True)

    def _for_refresh(self, ask: Ask) -> Answer:
        sentence = "SELECT * FROM token WHERE refresh = ? AND refusal = '' ORDER BY expires DESC"
        found = self.world.row(sentence, ask.fields.get("refresh_token") or "none")
        if found is None:
            raise RefusedError(400, "Error", "the refresh token is not good", error="invalid_grant")
        return Answer(body=self._made(found["identity"], found["client"], found["server"], found["scope"], found["refresh"], ask.now))

    def _granted(self, identity: str, client: str, scope: str, ask: Ask, *, with_refresh: bool) -> Answer:
        self._consent(identity, client, scope)
        root = re.sub(r"\[[^\]]*\]", "", scope).split()
        servers = {TRANSFER: [one for one in root if "transfer" in one], AUTH: [one for one in root if "transfer" not in one]}
        made = [
            self._made(identity, client, server, " ".join(scopes), secrets.token_hex(16) if with_refresh else "", ask.now)
            for server, scopes in servers.items() if scopes
        ]
        first = {**made[0], "other_tokens": made[1:], "state": ask.fields.get("state", "_default")}
        if "openid" in root:
            first["id_token"] = self.signer.id_token(ask.address, identity, client, time.time())
        return Answer(body=first)

    def _consent(self, identity: str, client: str, scope: str) -> None:
        for one in (TRANSFER_SCOPE, *_DEPENDENT.findall(scope)):
            self.world.rows("INSERT OR IGNORE INTO consent (identity, client, scope) VALUES (?, ?, ?)", identity, client, one)

    def _made(self, identity: str, client: str, server: str, scope: str, refresh: str, now: float) -> dict[str, Any]:
        life = float(self.world.setting("token_life_s"))
        access = secrets.token_hex(16)
        self.world.rows("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, '')", access, refresh, identity, client, server, scope, now + life)
        made = {
            "access_token": access, "scope": scope, "expires_in": int(life), "token_type": "Bearer", "resource_server": server,
            "other_tokens": [],
        }
        return {**made, "refresh_token": refresh} if refresh else made

    def revoke(self, ask: Ask) -> Answer:
        """Make a token useless."""
        token = ask.fields.get("token", "")
        self.world.rows("UPDATE token SET refusal = 'revoked' WHERE access = ? OR (refresh = ? AND refresh <> '')", token, token)
        return Answer(body={"active": False})

    def authorize(self, ask: Ask) -> Answer:
        """Do what a person does on the page: allow all, and get the code."""
        code = secrets.token_hex(8)
        asked = ask.fields
        self.world.rows("INSERT INTO code VALUES (?, ?, ?, ?)", code, asked["client_id"], asked["scope"], asked.get("code_challenge", ""))
        return Answer(body={"code": code})

    def userinfo(self, ask: Ask) -> Answer:
        """Tell who the bearer is."""
        identity = self.identity_of(ask.bearer, AUTH, ask.now)
        return Answer(body={"sub": identity, "preferred_username": "person@emulated.org", "name": "A Person"})

    def consents(self, ask: Ask) -> Answer:
        """Tell what an identity has allowed."""
        self.identity_of(ask.bearer, AUTH, ask.now)
        rows = self.world.rows("SELECT * FROM consent WHERE identity = ? ORDER BY number", ask.id)
        roots = {row["client"]: row["number"] for row in rows if row["scope"] == TRANSFER_SCOPE}
        day = "2026-01-01T00:00:00+00:00"
        shown = [
            {"created": day, "updated": day, "last_used": day, "id": row["number"], "status": "approved", "allows_refresh": True,
             "dependency_path": [row["number"]] if row["scope"] == TRANSFER_SCOPE else [roots[row["client"]], row["number"]],
             "scope_name": row["scope"], "atomically_revocable": False, "effective_identity": ask.id, "auto_approved": False,
             "scope": "89ecabba-4acf-4e2e-a98d-ce592ccc2818", "client": row["client"]}
            for row in rows
        ]
        return Answer(body={"consents": shown})

    def openid_configuration(self, ask: Ask) -> Answer:
        """Tell where the key is and how identities are signed."""
        return Answer(body={
            "issuer": ask.address, "jwks_uri": f"{ask.address}/jwk.json", "id_token_signing_alg_values_supported": ["RS512"],
            "token_endpoint": f"{ask.address}/v2/oauth2/token",
        })

    def jwk(self, ask: Ask) -> Answer:
        """Give the public key."""
        return Answer(body={"keys": [self.signer.public_key()]})

    def identity_of(self, access: str, server: str, now: float) -> str:
        """Return whose token this is.

        Raises:
            RefusedError: it is unknown, expired or revoked, or for another service.
        """
        found = self.world.row("SELECT * FROM token WHERE access = ?", access)
        if found is None or found["refusal"] or found["expires"] <= now or found["server"] != server:
            raise RefusedError(401, "AuthenticationFailed", "Token is not active")
        return str(found["identity"])
