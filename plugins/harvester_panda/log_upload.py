"""Logs in the cache of a PanDA server.

Source: file_server/upload_jedi_log: a file of the same name is replaced; what is said to be its address is. The server's web server
gives files whose names do not end in ``.log`` out as packed ones.
"""
from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from typing import IO

from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.log_exposer import LONGEST_URL, ReadyLog, Shown
from harvester_hpc.ports.outcome import Done, Failed, Retry
from harvester_panda.credentials import credential_problems, settings_with_files
from harvester_panda.methods import UPLOAD_LOG
from harvester_panda.multipart import Multipart
from harvester_panda.server import Server
from harvester_panda.settings import PandaSettings

#: Bytes that the server takes.
LARGEST = 100_000_000
#: Packed logs that are larger lie on the disk until they are sent.
IN_MEMORY = 1 << 20


class PandaLogs:
    """Packs logs and uploads them. The server removes them when it cleans its cache; nobody else can."""

    Settings = PandaSettings
    shared = True

    def __init__(self, settings: PandaSettings, context: Context) -> None:
        self._server = Server(settings_with_files(settings, context))

    @staticmethod
    def problems(settings: PandaSettings, context: Context) -> Iterator[str]:
        """Give what only the surroundings tell."""
        return credential_problems(settings, context)

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    def live_address(self, path: str) -> str:
        """Return nothing: the server has copies only."""
        return ""

    def show_log(self, ready: ReadyLog) -> Shown | Retry | Failed:
        """Upload the whole log, packed."""
        if ready.name.endswith(".log"):
            return Failed(why=f"the server would not say of {ready.name} that it is packed")
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, mode="w+b") as packed:
            size = _packed(ready.blocks(), packed)
            if size > LARGEST:
                return Failed(why=f"packed it has {size} bytes, and the server takes {LARGEST}; show less of it (maxMB)")
            said = self._server.upload(UPLOAD_LOG, Multipart(ready.name, packed, size))
        if not isinstance(said, str) or not said.startswith(("https://", "http://")):
            raise Unavailable("the PanDA server does not say where the log is", why=str(said)[:200])
        if len(said.encode()) > LONGEST_URL or any(character.isspace() for character in said):
            return Failed(why=f"its address has more than {LONGEST_URL} characters, or spaces: {said[:100]}...")
        return Shown(url=said)

    def hide_log(self, name: str, worker_id: int) -> Done | Retry | Failed:
        """Leave it to the server."""
        return Done()


def _packed(blocks: Iterator[bytes], stream: IO[bytes]) -> int:
    """Write the blocks packed; return how many bytes that makes."""
    packer = zlib.compressobj(level=6, wbits=31)
    size = sum(stream.write(packer.compress(block)) for block in blocks)
    return size + stream.write(packer.flush())
