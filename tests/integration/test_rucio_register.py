"""Files that others have put onto an RSE's path, registered on a real Rucio server."""
from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harvester_hpc.model.transfer import Parcel, Place, Route
from harvester_hpc.ports.carrier import ItemEnd, Parked
from harvester_hpc.ports.outcome import Failed
from harvester_hpc.testing.rucio import RucioServer
from harvester_rucio.register import RucioRegister
from tests.rucio_site import AWAY, MOUNTS, SOURCE, View, context, copied, files, output, parcel, routed, section

#: One server for all of them, and one process that asks it.
pytestmark = pytest.mark.xdist_group("rucio")


@pytest.fixture
def mark() -> str:
    """A word that no other test's names have."""
    return f"r{uuid4().hex[:10]}"


@pytest.fixture
def view(rucio: RucioServer) -> View:
    return View(rucio)


def registrar(rucio: RucioServer, folder: Path, **more: Any) -> RucioRegister:
    settings = RucioRegister.Settings(**{**section(rucio), "rse": AWAY, "mounts": MOUNTS, **more})
    assert settings.problems() == ()
    return RucioRegister(settings, context(folder))


def lying(view: View, number: int, name: str, content: bytes, **more: Any) -> Parcel:
    """Put a file where the RSE will look for it, as an earlier hop does; return the parcel."""
    path = view.path(AWAY, name)
    files(path.parent, [path.name])
    path.write_bytes(content)
    return output(number, path, **more)


def test_what_lies_right_is_registered_and_in_its_dataset(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = registrar(rucio, tmp_path)
    items = routed(plugin, [lying(view, n, f"{mark}.{n}", b"%d" % n, dataset=f"{mark}.ds") for n in range(3)])
    for _ in range(2):
        assert [(news.end, news.verified) for news in copied(plugin, items).news.values()] == [(ItemEnd.MOVED, True)] * 3
    assert [view.replicas(f"{mark}.{n}") for n in range(3)] == [{AWAY: "AVAILABLE"}] * 3
    assert view.members(f"{mark}.ds") == {f"{mark}.{n}" for n in range(3)}


def test_a_name_that_rucio_knows_with_another_checksum_fails_alone(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str
) -> None:
    plugin = registrar(rucio, tmp_path)
    view.put(SOURCE, f"{mark}.known", b"what it knows")
    items = routed(plugin, [lying(view, 1, f"{mark}.known", b"another thing"), lying(view, 2, f"{mark}.new", b"new")])
    done = copied(plugin, items)
    assert [done.news[item.parcel.lfn].end for item in items] == [ItemEnd.FAILED, ItemEnd.MOVED]
    assert "adler32" in done.news[f"{mark}.known"].why
    assert view.replicas(f"{mark}.known") == {SOURCE: "AVAILABLE"} and view.known(f"{mark}.known")[0] == 13


def test_another_replica_of_a_known_file_is_registered(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = registrar(rucio, tmp_path)
    view.put(SOURCE, mark, b"the same")
    assert copied(plugin, routed(plugin, [lying(view, 1, mark, b"the same")])).news[mark].end is ItemEnd.MOVED
    assert view.replicas(mark) == {SOURCE: "AVAILABLE", AWAY: "AVAILABLE"}


def test_what_does_not_lie_where_rucio_will_look_has_no_way(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = registrar(rucio, tmp_path)
    [path] = files(tmp_path, [mark])
    [answer] = plugin.route([output(1, path)])
    assert isinstance(answer, Failed) and str(view.path(AWAY, mark)) in answer.why


def test_a_zip_waits_for_a_person_where_nobody_has_said_its_scope(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    zipped = lying(view, 1, f"{mark}.zip", b"zipped", scope="", dataset="")
    (answer,) = registrar(rucio, tmp_path).route([zipped])
    assert isinstance(answer, Parked)
    assert "'scope'" in answer.remedy
    (answer,) = registrar(rucio, tmp_path, scope="tests").route([zipped])
    assert isinstance(answer, Route)


def test_what_is_not_there_or_not_whole_is_tried_again_alone(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = registrar(rucio, tmp_path)
    parcels = [lying(view, n, f"{mark}.{name}", b"content") for n, name in enumerate(("gone", "short", "good"))]
    items = routed(plugin, parcels)
    view.path(AWAY, f"{mark}.gone").unlink()
    view.path(AWAY, f"{mark}.short").write_bytes(b"cont")
    done = copied(plugin, items)
    assert [done.news[item.parcel.lfn].end for item in items] == [ItemEnd.AGAIN, ItemEnd.AGAIN, ItemEnd.MOVED]
    assert view.replicas(f"{mark}.gone") == view.replicas(f"{mark}.short") == {}


@pytest.mark.parametrize("table", ["paths", "none"])
def test_after_a_hop_over_another_service_its_path_is_held_against_the_pfn(
    rucio: RucioServer, view: View, tmp_path: Path, mark: str, table: str
) -> None:
    disk = rucio.disk(AWAY)
    paths = {f"file://localhost{disk}/": "/collection/"} if table == "paths" else {}
    plugin = registrar(rucio, tmp_path, mounts={}, paths=paths)
    known = lying(view, 1, mark, b"content")
    below = view.path(AWAY, mark).relative_to(disk)
    right = f"/collection/{below}" if paths else f"/{below}"
    good = parcel(1, mark, source=Place(name="a-collection", path=right), size=known.size, checksum=known.checksum)
    bad = parcel(2, mark, source=Place(name="a-collection", path=f"/elsewhere/{mark}"), size=known.size, checksum=known.checksum)
    assert isinstance(plugin.route([bad])[0], Failed)
    news = copied(plugin, routed(plugin, [good])).news[mark]
    assert news.end is ItemEnd.MOVED and view.replicas(mark) == {AWAY: "AVAILABLE"}
    assert view.known(mark) == (known.size, known.checksum.removeprefix("ad:"))


def test_a_file_of_which_nothing_is_known_is_not_registered(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    plugin = registrar(rucio, tmp_path, mounts={})
    below = view.path(AWAY, mark).relative_to(rucio.disk(AWAY))
    unknown = parcel(1, mark, source=Place(name="a-collection", path=f"/{below}"))
    assert copied(plugin, routed(plugin, [unknown])).news[mark].end is ItemEnd.FAILED
    assert view.replicas(mark) == {}


def test_at_an_rse_without_paths_of_its_own_the_file_tells_its_pfn(rucio: RucioServer, view: View, tmp_path: Path, mark: str) -> None:
    name = f"LOOSE-{mark.upper()}"
    disk = tmp_path / "loose"
    view.client.add_rse(name, deterministic=False)
    operations = {"read": 1, "write": 1, "delete": 1}
    view.client.add_protocol(name, {
        "scheme": "file", "hostname": "localhost", "port": 0, "prefix": f"{disk}/", "impl": "rucio.rse.protocols.posix.Default",
        "extended_attributes": None, "domains": {"lan": operations, "wan": operations},
    })
    [path] = files(disk / "any/where", [mark])
    plugin = registrar(rucio, tmp_path, rse=name)
    assert copied(plugin, routed(plugin, [output(1, path)])).news[mark].end is ItemEnd.MOVED
    [row] = view.client.list_replicas([{"scope": "tests", "name": mark}])
    assert row["rses"][name] == [f"file://localhost{path}"]
