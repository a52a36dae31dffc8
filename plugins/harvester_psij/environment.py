"""What a facility wants in the environment of its batch jobs: variables, proxies and modules, as lines for the shell of the node."""
from __future__ import annotations

import shlex

from harvester_hpc.model.facility import Facility

#: Programs look at the one or the other.
PROXY_NAMES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
NO_PROXY_NAMES = ("no_proxy", "NO_PROXY")


def environment_lines(facility: Facility) -> list[str]:
    """Return ``NAME=value`` for each variable of batch jobs, quoted; the facility's own come last and win."""
    network = facility.network
    lines = [f"{name}={shlex.quote(network.compute_proxy)}" for name in PROXY_NAMES if network.compute_proxy]
    hosts = ",".join(network.no_proxy)
    lines += [f"{name}={shlex.quote(hosts)}" for name in NO_PROXY_NAMES if hosts and network.compute_proxy]
    return lines + [f'{name}="{_within_quotes(value)}"' for name, value in facility.environment.items()]


def module_lines(facility: Facility) -> list[str]:
    """Return the lines that load the facility's modules."""
    return [shlex.join(["module", "load", name]) for name in facility.modules]


def _within_quotes(value: str) -> str:
    return value.replace('"', '\\"')
