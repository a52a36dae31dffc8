"""A real Rucio server of one's own, for tests and for trying: catalogue, REST service and disks on this machine, in one folder.

    with RucioServer(Path("/tmp/rucio")) as rucio:
        print(rucio.url, rucio.account("root").password_file)

From a shell, see ``python -m harvester_hpc.testing.rucio --help``.  The server is the package ``rucio`` of PyPI in a virtual
environment of its own (its caps on requests and urllib3 do not fit here), built once and kept; see ``environment``.

Real are the REST service, the catalogue, permissions, tokens, rules and locks, and RSEs on this disk.  Not there are TLS, X.509 and
OIDC logins, tape, and what moves files (FTS and its daemons): ``RucioServer.move`` stands in for that.
"""
from __future__ import annotations

from harvester_hpc.testing.rucio.environment import ServerMissing
from harvester_hpc.testing.rucio.layout import Account, Layout
from harvester_hpc.testing.rucio.server import RucioServer, ServerError

__all__ = ["Account", "Layout", "RucioServer", "ServerError", "ServerMissing"]
