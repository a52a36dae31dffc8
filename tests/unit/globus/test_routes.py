"""Which way a file goes."""
from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from harvester_globus.layout import Layout, LocalPaths, NoPathError, path_in
from harvester_globus.routes import Routes
from harvester_globus.settings import GlobusSettings
from harvester_hpc.model.transfer import Direction, ItemId, Parcel, Place

FAR, HERE, VIA, OTHER = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "abcd")
IN = Parcel(
    item_id=ItemId(1), direction=Direction.IN, job_id=7, task_id=8, lfn="EVNT.1.root", scope="mc23_13TeV", dataset="mc23.data/",
    target="/scratch/cache/EVNT.1.root",
)
OUT = replace(IN, direction=Direction.OUT, target="", source=Place(path="/scratch/work/7/EVNT.1.root"))


def routes(**changes: Any) -> Routes:
    usual = GlobusSettings(
        client_id=FAR, local_collection=HERE, local_paths={"/scratch": "/s", "/scratch/work": "~/w"}, remote_collection=FAR,
        remote_path="/data", layout=Layout.FLAT,
    )
    return Routes(replace(usual, **changes))


def rucio(scope: str, name: str) -> str:
    digits = hashlib.md5(f"{scope}:{name}".encode()).hexdigest()
    return f"{digits[:2]}/{digits[2:4]}/{name}"


@pytest.mark.parametrize(
    ("layout", "path"),
    [
        (Layout.FLAT, "/data/EVNT.1.root"),
        (Layout.DATASET, "/data/mc23.data/EVNT.1.root"),
        (Layout.TASK, "/data/8/EVNT.1.root"),
        (Layout.JOB, "/data/7/EVNT.1.root"),
        (Layout.RUCIO, f"/data/mc23_13TeV/{rucio('mc23_13TeV', 'EVNT.1.root')}"),
    ],
)
def test_a_layout_makes_the_path(layout: Layout, path: str) -> None:
    assert path_in("/data", layout, IN) == path


@pytest.mark.parametrize(
    ("scope", "folder"),
    [("user.jdoe", "user/jdoe"), ("group.phys-higgs", "group/phys-higgs"),
     ("data18.x", "data18.x"), ("users", "users"), ("mc.user", "mc.user")],
)
def test_dots_are_folders_in_the_scopes_of_users_and_groups_only(scope: str, folder: str) -> None:
    parcel = replace(IN, scope=scope)
    assert path_in("/", Layout.RUCIO, parcel) == f"/{folder}/{rucio(scope, IN.lfn)}"


@pytest.mark.parametrize(
    ("layout", "changes"),
    [
        (Layout.TASK, {"task_id": None}), (Layout.DATASET, {"dataset": ""}), (Layout.DATASET, {"dataset": ".."}),
        (Layout.DATASET, {"dataset": "a/../../b"}), (Layout.RUCIO, {"scope": ""}), (Layout.RUCIO, {"scope": "../x"}),
        (Layout.FLAT, {"lfn": "../x"}), (Layout.FLAT, {"lfn": ""}), (Layout.FLAT, {"lfn": "a\nb"}), (Layout.FLAT, {"lfn": "x" * 256}),
    ],
)
def test_what_would_lead_out_of_its_folder_has_no_path(layout: Layout, changes: dict[str, Any]) -> None:
    with pytest.raises(NoPathError):
        path_in("/data", layout, replace(IN, **changes))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("/scratch/x/f", "/s/x/f"), ("/scratch/work/f", "~/w/f"), ("/scratch//x/./f", "/s/x/f"), ("/scratch/workshop/f", "/s/workshop/f"),
        ("/scratch/a #%", "/s/a #%"),
    ],
)
def test_the_longest_folder_that_fits_counts(here: str, there: str) -> None:
    assert LocalPaths({"/scratch": "/s", "/scratch/work": "~/w"}).in_collection(here) == there


def test_the_scope_is_that_of_the_job_else_of_the_section() -> None:
    section = routes(layout=Layout.RUCIO, scope="own")
    assert section.way_of(OUT).destination.path == f"/data/mc23_13TeV/{rucio('mc23_13TeV', OUT.lfn)}"
    assert section.way_of(replace(OUT, scope="")).destination.path == f"/data/own/{rucio('own', OUT.lfn)}"


@pytest.mark.parametrize("path", ["/home/f", "/scratchy/f", "f", "/scratch/../home/f", "", "/scratch/a\nb"])
def test_a_path_that_the_collection_does_not_show_is_refused(path: str) -> None:
    with pytest.raises(NoPathError):
        LocalPaths({"/scratch": "/s"}).in_collection(path)


def test_without_a_mapping_paths_are_the_same() -> None:
    assert LocalPaths({}).in_collection("/any/where") == "/any/where"


def test_an_input_goes_from_the_far_layout_to_its_target() -> None:
    way = routes().way_of(IN)
    assert (way.source, way.destination, way.readable) == (
        Place(name=FAR, path="/data/EVNT.1.root"), Place(name=HERE, path="/s/cache/EVNT.1.root"), IN.target,
    )


def test_what_the_job_says_of_an_inputs_place_counts() -> None:
    assert routes().way_of(replace(IN, source=Place(path="/else/f"))).source == Place(name=FAR, path="/else/f")
    address = f"globus://{OTHER}/a%20b/f"
    assert routes().way_of(replace(IN, source=Place(path=address))).source == Place(name=OTHER, path="/a b/f")
    assert routes().way_of(replace(IN, source=Place(path="NULL"))).source == Place(name=FAR, path="/data/EVNT.1.root")


@pytest.mark.parametrize("said", ["relative/f", "https://x/f", "globus://nowhere/f", f"globus://{OTHER}/../f", f"globus://{OTHER}/f?x=1"])
def test_a_place_that_is_no_place_has_no_way(said: str) -> None:
    with pytest.raises(NoPathError):
        routes().way_of(replace(IN, source=Place(path=said)))


def test_an_input_with_another_hop_before_it_goes_between() -> None:
    first = routes(local_collection="", via_collection=VIA, via_path="/dtn/buffer")
    parcel = replace(IN, target="")
    way = first.way_of(parcel)
    assert way.destination.name == VIA
    assert way.destination.path.startswith("/dtn/buffer/")
    assert way.destination.path.endswith("/EVNT.1.root")
    assert way.readable == ""
    last = routes(remote_collection="", layout=None).way_of(replace(IN, source=way.destination, hop=1))
    assert (last.source, last.destination.name) == (way.destination, HERE)


def test_the_place_between_is_the_same_for_all_jobs_and_another_for_another_source() -> None:
    first = routes(via_collection=VIA, via_path="/dtn")
    parcel = replace(IN, target="")
    same, other = replace(parcel, job_id=9, item_id=ItemId(2)), replace(parcel, source=Place(path="/else/EVNT.1.root"))
    assert first.way_of(parcel) == first.way_of(same)
    assert first.way_of(parcel).destination != first.way_of(other).destination


def test_an_output_goes_from_scratch_to_the_far_layout() -> None:
    way = routes(layout=Layout.JOB).way_of(OUT)
    assert (way.source, way.destination, way.readable) == (
        Place(name=HERE, path="~/w/7/EVNT.1.root"), Place(name=FAR, path="/data/7/EVNT.1.root"), "",
    )


def test_an_output_with_a_hop_before_it_goes_from_where_that_one_has_put_it() -> None:
    between = Place(name=VIA, path="/dtn/f")
    assert routes().way_of(replace(OUT, source=between, hop=1)).source == between


@pytest.mark.parametrize(
    ("parcel", "changes", "says"),
    [
        (IN, {"remote_collection": ""}, "remoteCollection"), (IN, {"local_collection": ""}, "localCollection"),
        (replace(IN, target=""), {}, "viaCollection"), (OUT, {"layout": None}, "layout"),
        (OUT, {"local_collection": ""}, "localCollection"),
        (replace(OUT, source=Place()), {}, "nobody has said"), (replace(IN, source=Place(path="/f")), {"remote_collection": ""}, "globus://"),
    ],
)
def test_what_is_missing_in_the_section_is_named(parcel: Parcel, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(NoPathError, match=says):
        routes(**changes).way_of(parcel)
