"""Files at RSEs that are not mounted here: by the protocols that Rucio has for them, in its own library.

``UploadClient`` and ``DownloadClient`` stand on the same protocols; they ask the service two things or more for each file, and do
not say which file went wrong how. Here the service is asked in bulk before, and told in bulk after.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from harvester_hpc.ports.carrier import Parked
from harvester_rucio.names import Did, Known, catalogued, measured
from harvester_rucio.placing import Wrong, fill
from harvester_rucio.session import NeedsPerson, silence
from harvester_rucio.sorting import REMEDIES, said

#: Put behind the name of a file while it is being uploaded, where the protocol can rename; as Rucio's own clients do.
UPLOADING = ".rucio.upload"


class Trouble(Exception):
    """It did not work this time."""


class Storage:
    """What lies at RSEs.

    Args:
        domain: ``wan`` or ``lan``: which of an RSE's protocols are taken.
        scheme: of the protocol; "" for the one that the RSE prefers.
        timeout_s: seconds after which one file is given up.
    """

    def __init__(self, domain: str, scheme: str, timeout_s: float) -> None:
        self._domain = domain
        self._scheme = scheme
        self._timeout = int(timeout_s)

    def get(self, rse: Mapping[str, Any], pfn: str, target: Path, wanted: Known, token: str | None) -> Known:
        """Bring a file from an RSE to ``target``, whole and compared. Return what lies there.

        Raises:
            Trouble: it did not come. Wrong: it is another file. NeedsPerson: no protocol for it is installed.
        """

        def write(part: Path) -> Known:
            # A scheme is that of the PFN: the service may have given one that the RSE does not prefer.
            with _protocol(rse, "read", pfn.partition(":")[0], self._domain, token) as protocol:
                protocol.get(pfn, str(part), transfer_timeout=self._timeout)
            return Known()

        try:
            return fill(target, wanted, write, f"{rse['rse']} {pfn}")
        except OSError as error:
            raise Trouble(f"{target}: {said(error)}") from error

    def put(self, rse: Mapping[str, Any], did: Did, source: Path, wanted: Known, token: str | None) -> Known:
        """Bring a file to an RSE, in place of what lies there and is no other file that anybody knows of. Return what was sent.

        Raises:
            Trouble: it did not arrive. Wrong: the source is not what is wanted. NeedsPerson: no protocol for it is installed.
        """
        if rse.get("sign_url"):
            raise NeedsPerson(Parked(why=f"{rse['rse']} wants signed addresses", remedy="upload to another RSE; this one is not supported"))
        try:
            found = measured(source, md5=bool(wanted.md5))
        except OSError as error:
            raise Trouble(f"{source}: {said(error)}") from error
        if difference := found.unlike(wanted):
            raise Wrong(f"{source}: {difference}")
        with _protocol(rse, "write", self._scheme, self._domain, token) as protocol:
            pfn = next(iter(protocol.lfns2pfns([did.to_json()]).values()))
            there = _seen(protocol, pfn)
            if there is not None and there.checksum and not there.unlike(found):
                return found
            self._put(rse, protocol, source, pfn, found, token, replaces=there is not None)
        return found

    def _put(
        self, rse: Mapping[str, Any], protocol: Any, source: Path, pfn: str, wanted: Known, token: str | None, *, replaces: bool
    ) -> None:
        name = f"{pfn}{UPLOADING}" if protocol.renaming else pfn
        for old in {name, pfn} if replaces else {name}:
            self._remove(rse, old, token)
        protocol.put(source.name, name, str(source.parent), transfer_timeout=self._timeout)
        there = _seen(protocol, name)
        if there is None:
            raise Trouble(f"{name}: is not there after it was sent")
        if difference := there.unlike(wanted):
            raise Trouble(f"{name}: {difference}, after it was sent")
        if name != pfn:
            protocol.rename(name, pfn)

    def _remove(self, rse: Mapping[str, Any], pfn: str, token: str | None) -> None:
        with _protocol(rse, "delete", self._scheme, self._domain, token) as protocol:
            if protocol.exists(pfn):
                protocol.delete(pfn)


def _seen(protocol: Any, pfn: str) -> Known | None:
    if not protocol.exists(pfn):
        return None
    row = protocol.stat(pfn)
    size = row.get("filesize")
    return catalogued(int(size) if size is not None else None, row.get("adler32"), row.get("md5"))


@contextmanager
def _protocol(rse: Mapping[str, Any], operation: str, scheme: str, domain: str, token: str | None) -> Iterator[Any]:
    """Give a protocol, connected; sort what goes wrong while it is used."""
    from requests import RequestException
    from rucio.common.exception import RucioException
    from rucio.rse.rsemanager import create_protocol

    try:
        # The library writes into the settings that it is given.
        protocol = create_protocol(
            deepcopy(dict(rse)), operation, scheme=scheme or None, domain=domain, auth_token=token, logger=silence().log
        )
        protocol.connect()
        try:
            yield protocol
        finally:
            protocol.close()
    except ImportError as error:
        raise NeedsPerson(Parked(why=f"{rse['rse']}: {said(error)}", remedy=REMEDIES["RSEProtocolNotSupported"])) from error
    except (RucioException, RequestException, OSError, RuntimeError, ValueError) as error:
        if type(error).__name__ in REMEDIES:
            parked = Parked(why=f"{rse['rse']}: {said(error)}", remedy=REMEDIES[type(error).__name__])
            raise NeedsPerson(parked) from error
        raise Trouble(f"{rse['rse']}: {said(error)}") from error
