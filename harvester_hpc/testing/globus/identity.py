"""The signed word of the Auth service on who somebody is; the key lives as long as the process."""
from __future__ import annotations

import json
from functools import cached_property
from typing import Any


class Signer:
    """Signs identities; needs what the SDK needs to read them (pyjwt, cryptography)."""

    @cached_property
    def _key(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric import rsa

        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def id_token(self, issuer: str, identity: str, client: str, now: float) -> str:
        """Return the signed identity of the one who has logged in with ``client``."""
        import jwt

        said = {"iss": issuer, "sub": identity, "aud": client, "iat": int(now), "exp": int(now) + 3600}
        return jwt.encode(said, self._key, algorithm="RS512")

    def public_key(self) -> dict[str, Any]:
        """Return the key by which it is checked, as a JWK."""
        from jwt.algorithms import RSAAlgorithm

        made: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {**made, "alg": "RS512", "use": "sig", "kid": "emulated"}
