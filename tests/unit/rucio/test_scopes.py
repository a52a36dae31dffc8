"""Which scopes Rucio has is asked for once; files of another one, and all of them while nobody may ask, wait for a person."""
from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.transfer import Direction, ItemId, Parcel, Place
from harvester_hpc.ports.carrier import Parked
from harvester_hpc.ports.context import Context
from harvester_rucio.catalogue import Catalogue
from harvester_rucio.registering import OutSettings
from harvester_rucio.session import NeedsPerson
from harvester_rucio.upload import RucioUpload

EXPIRED = Parked(why="CannotAuthenticate: expired", remedy="renew it")


class Scopes:
    """The two questions about names that the catalogue answers; ``expired``: nobody may ask any more."""

    def __init__(self) -> None:
        self.expired = False
        self.asked = 0

    def rse(self, name: str) -> dict[str, Any]:
        return {"rse": name, "availability_write": True}

    def scopes(self) -> frozenset[str]:
        self.asked += 1
        if self.expired:
            raise NeedsPerson(EXPIRED)
        return frozenset({"tests"})


@pytest.fixture
def scopes() -> Scopes:
    return Scopes()


@pytest.fixture
def plugin(tmp_path: Path, scopes: Scopes) -> RucioUpload:
    settings = RucioUpload.Settings(host="http://127.0.0.1:9", account="a", auth_type="oidc", rse="DISK")
    assert isinstance(settings, OutSettings)
    made = RucioUpload(settings, Context(instance="i", tag="abcde", state_dir=tmp_path, facility=Facility(name="f", scheduler="local")))
    made.catalogue = cast(Catalogue, scopes)
    return made


def parcel(scope: str) -> Parcel:
    return Parcel(item_id=ItemId(1), direction=Direction.OUT, job_id=1, lfn="out", scope=scope, source=Place(path="/scratch/out"))


def test_files_of_a_known_scope_go_and_the_list_is_asked_for_once(plugin: RucioUpload, scopes: Scopes) -> None:
    for _ in range(3):
        [place] = plugin.places([parcel("tests")])
        assert isinstance(place, tuple) and place[1] == "DISK"
    assert scopes.asked == 1


def test_a_file_of_an_unknown_scope_waits_and_its_neighbour_goes(plugin: RucioUpload) -> None:
    waits, goes = plugin.places([parcel("nowhere"), parcel("tests")])
    assert isinstance(waits, Parked) and "--scope nowhere" in waits.remedy
    assert isinstance(goes, tuple)


def test_an_expired_credential_is_a_matter_for_a_person_and_no_defect(plugin: RucioUpload, scopes: Scopes) -> None:
    scopes.expired = True
    assert plugin.places([parcel("tests")]) == [EXPIRED]
    scopes.expired = False
    assert isinstance(plugin.places([parcel("tests")])[0], tuple)
