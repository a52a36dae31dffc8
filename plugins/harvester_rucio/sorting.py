"""Sorts what goes wrong with Rucio: try later, this file for good, or a person must act.

Rucio tells its errors apart by class; here they are known by name, so that nothing of it is imported before it is needed.
"""
from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester_hpc.ports.carrier import Parked
from harvester_hpc.ports.outcome import Failed

#: Characters of a message that are kept: Rucio repeats the whole request in some, megabytes of it.
WORDS = 300

#: A person must act: {class: remedy}. The first in the order of inheritance counts.
REMEDIES: Mapping[str, str] = MappingProxyType({
    "CannotAuthenticate": "renew the credentials of the account (password file, proxy, token), or correct them in the queue's section",
    "NoAuthInformation": "give the credentials of the account in the queue's section or in rucio.cfg",
    "MissingClientParameter": "give what is missing in the queue's section or in rucio.cfg",
    "ConfigNotFound": "give host, authType and account in the queue's section, or write a rucio.cfg",
    "ConfigLoadingError": "correct the file that RUCIO_CONFIG names",
    "NoSectionError": "give what is missing in the queue's section or in rucio.cfg",
    "NoOptionError": "give what is missing in the queue's section or in rucio.cfg",
    "IdentityNotFound": "have the identity added to the account by an administrator of Rucio",
    "IdentityError": "have the identity added to the account by an administrator of Rucio",
    "AccountNotFound": "correct 'account' in the queue's section",
    "AccessDenied": "ask an administrator of Rucio for the right, or use another account or scope",
    "ScopeAccessDenied": "ask an administrator of Rucio for the right, or use another account or scope",
    "InsufficientAccountLimit": "ask for more quota at the RSE, or delete rules of the account (rucio rule list, rucio rule remove)",
    "RSEOverQuota": "wait until the RSE has room, or name another",
    "RSEWriteBlocked": "wait until the RSE may be written to again, or name another",
    "RSENotFound": "correct 'rse' in the queue's section",
    "InvalidRSEExpression": "correct 'rse' in the queue's section",
    "RSEProtocolNotSupported": "install what the RSE's protocol needs (gfal2, xrootd, ...), or say in 'mounts' where it is mounted",
    "RSEProtocolDomainNotSupported": "correct 'domain' in the queue's section",
    "SSLError": "check the proxy or certificate (voms-proxy-info), and 'ca' in the queue's section",
    "ClientProtocolNotFound": "correct 'host' in the queue's section",
    "ClientProtocolNotSupported": "correct 'host' in the queue's section",
})

#: It lies in what was named; of several, perhaps in one of them only.
OF_FILES = frozenset({
    "InvalidObject", "InvalidPath", "InvalidType", "InputValidationError", "ScopeNotFound", "DataIdentifierNotFound",
    "DataIdentifierAlreadyExists", "UnsupportedOperation", "FileReplicaAlreadyExists", "ReplicaNotFound",
    "UnsupportedDIDType", "DuplicateRule", "RuleNotFound", "FileConsistencyMismatch", "InvalidValueForKey", "UnsupportedKeyType",
})


def said(error: BaseException) -> str:
    """Return what an error says in one short line, with the name of its class."""
    words = " ".join(str(error)[: 4 * WORDS].split())
    return f"{type(error).__name__}: {words[:WORDS]}{'...' if len(words) > WORDS else ''}"


def sort(error: BaseException, what: str) -> Parked | Failed | None:
    """Return what an error of Rucio means; None: nothing is known, so it is tried later.

    Args:
        what: what was being done.

    Returns:
        Failed lies in the files that were named in the call.
    """
    for one in type(error).__mro__:
        if one.__name__ in REMEDIES:
            return Parked(why=f"{what}: {said(error)}", remedy=REMEDIES[one.__name__])
        if one.__name__ in OF_FILES:
            return Failed(why=f"{what}: {said(error)}")
    return None
