"""The file with the tokens: written whole or not at all, and readable for its owner only. Imports the SDK."""
from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from globus_sdk.token_storage import TokenStorage, TokenStorageData

log = logging.getLogger(__name__)

LOCK_LIMIT_S = 30.0


class TokenFile(TokenStorage):
    """The SDK's own storage in JSON is rewritten in place: a process that is killed then leaves an empty file, and a person must log in.

    Args:
        path: absolute; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_LIMIT_S, mode=0o600)

    def store_token_data_by_resource_server(self, token_data_by_resource_server: Mapping[str, TokenStorageData]) -> None:
        """Add or replace tokens."""
        with self._lock:
            there = self._read()
            there.update({server: token.to_dict() for server, token in token_data_by_resource_server.items()})
            self._write(there)

    def get_token_data_by_resource_server(self) -> dict[str, TokenStorageData]:
        """Return all tokens; none if the file is not there or cannot be understood."""
        found: dict[str, TokenStorageData] = {}
        for server, token in self._read().items():
            try:
                found[server] = TokenStorageData.from_dict(token)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                log.warning("a token cannot be understood file=%s service=%s why=%s", self.path, server, type(error).__name__)
        return found

    def remove_token_data(self, resource_server: str) -> bool:
        """Remove the tokens of one service; tell whether there were any."""
        with self._lock:
            there = self._read()
            gone = there.pop(resource_server, None)
            if there:
                self._write(there)
            else:
                self.path.unlink(missing_ok=True)
        return gone is not None

    def _read(self) -> dict[str, Any]:
        try:
            there = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("tokens cannot be read file=%s why=%s", self.path, type(error).__name__)
            return {}
        tokens = there.get("tokens") if isinstance(there, dict) else None
        return tokens if isinstance(tokens, dict) else {}

    def _write(self, tokens: Mapping[str, Any]) -> None:
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            json.dump({"version": 1, "tokens": dict(tokens)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(self.path)
