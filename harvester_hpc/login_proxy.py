"""The HTTP proxy of our own connections, as the site has it for its login nodes."""
from __future__ import annotations

from collections.abc import MutableMapping

from harvester_hpc.model.surroundings import Network

#: Variables that libraries and commands look at.
NAMES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
EXCEPTIONS = ("no_proxy", "NO_PROXY")


def use_login_proxy(network: Network, environ: MutableMapping[str, str]) -> None:
    """Put the proxy of the login nodes into an environment, or take the one that is there out of it; leave it where nothing is said.

    A proxy for compute nodes that does not work on login nodes is often in the environment of a shell there.
    """
    if network.login_proxy is None:
        return
    for name in NAMES:
        if network.login_proxy:
            environ[name] = network.login_proxy
        else:
            environ.pop(name, None)
    for name in EXCEPTIONS:
        if network.login_proxy and network.no_proxy:
            environ[name] = ",".join(network.no_proxy)
