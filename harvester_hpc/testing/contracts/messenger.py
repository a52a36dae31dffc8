"""What every messenger keeps to. Subclass it in a test module and give the fixture ``messenger``."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.batch_letters import claim_job
from harvester_hpc.messenger.doorbell import ring
from harvester_hpc.messenger.letter import deliver, write
from harvester_hpc.messenger.names import NAMES
from harvester_hpc.messenger.values import AccessPoint
from harvester_hpc.ports.messenger import Messenger

JOB: Mapping[str, Any] = {"PandaID": 11, "transformation": "true", "jobPars": "", "inFiles": "in.1", "GUID": "ABC"}


class MessengerContract(ABC):
    """The rules of ``ports.messenger.Messenger``. ``worker_*`` is what a worker does, through files unless overridden."""

    @pytest.fixture
    @abstractmethod
    def messenger(self) -> Messenger:
        """Return the messenger under test."""

    @pytest.fixture
    def point(self, tmp_path: Path) -> AccessPoint:
        """Return an access point that is not made yet."""
        return AccessPoint(root=tmp_path / "access", path=tmp_path / "access" / "3", instance="here", worker_id=3, job_ids=(11,))

    @pytest.fixture
    def ready(self, messenger: Messenger, point: AccessPoint) -> AccessPoint:
        """Return an access point that is made and fed."""
        messenger.setup_access_points([point])
        messenger.feed_jobs(point, {11: JOB}, {})
        return point

    def worker_declares(self, point: AccessPoint, name: str) -> Path:
        """Make an output and declare it."""
        path = point.folder_of(11) / name
        path.write_bytes(b"events")
        deliver(point.folder_of(11) / NAMES.status_dump, {"11": [{"path": str(path), "type": "output", "fsize": 6}]})
        return path

    def worker_tells(self, point: AccessPoint, attributes: Mapping[str, Any]) -> None:
        """Write the attributes of the job."""
        write(point.folder_of(11) / NAMES.attributes, dict(attributes))

    def worker_asks(self, point: AccessPoint, number: int) -> None:
        """Ask for jobs."""
        write(point.path / NAMES.job_request, {"nJobs": number})

    def worker_rings(self, point: AccessPoint) -> None:
        """Ring the doorbell."""
        ring(point.root, point.worker_id)

    def test_a_worker_asks_for_jobs_until_it_has_an_answer(self, messenger: Messenger, point: AccessPoint) -> None:
        late = replace(point, job_ids=())
        messenger.setup_access_points([late])
        assert messenger.job_requested(late) == 0 and not messenger.collect(late).wants_jobs
        self.worker_asks(late, 3)
        assert messenger.collect(late).wants_jobs and messenger.job_requested(late) == 3
        assert messenger.job_requested(late) == 3 and list(messenger.get_panda_ids(late)) == []
        messenger.feed_jobs(point, {11: JOB}, {})
        assert messenger.job_requested(late) == 0 and list(messenger.get_panda_ids(late)) == [11]

    def test_jobs_that_come_later_stand_beside_those_that_are_there(self, messenger: Messenger, point: AccessPoint) -> None:
        both = replace(point, job_ids=(11, 12), many=True)
        messenger.setup_access_points([both])
        messenger.feed_jobs(replace(both, job_ids=(11,)), {11: JOB}, {})
        messenger.feed_jobs(both, {12: {**JOB, "PandaID": 12}}, {})
        assert list(messenger.get_panda_ids(both)) == [11, 12]

    def test_no_more_jobs_is_an_answer_too(self, messenger: Messenger, ready: AccessPoint) -> None:
        self.worker_asks(ready, 1)
        messenger.feed_jobs(ready, {}, {})
        assert messenger.job_requested(ready) == 0 and list(messenger.get_panda_ids(ready)) == [11]

    def test_a_job_of_many_is_fenced_before_its_letters_are_there(self, messenger: Messenger, point: AccessPoint) -> None:
        many = replace(point, many=True)
        messenger.setup_access_points([many])
        assert messenger.fence_job(many, 11)
        messenger.feed_jobs(many, {11: JOB}, {})
        assert messenger.collect(many).begun == frozenset()
        assert not claim_job(many.folder_of(11) / NAMES.job_claim, {"batch_id": "991"})

    def test_an_access_point_is_made_twice_without_harm(self, messenger: Messenger, ready: AccessPoint) -> None:
        kept = ready.path / "kept"
        kept.touch()
        messenger.setup_access_points([ready])
        assert kept.exists()

    def test_a_folder_of_somebody_else_is_refused(self, messenger: Messenger, point: AccessPoint) -> None:
        point.path.mkdir(parents=True)
        (point.path / "thesis.tex").touch()
        with pytest.raises(OSError):
            messenger.setup_access_points([point])

    def test_a_quiet_worker_has_no_news(self, messenger: Messenger, ready: AccessPoint) -> None:
        news = messenger.collect(ready)
        assert (news.files, news.taken, news.bad, news.job_status, news.exit, news.claim) == ((), (), (), {}, None, None)

    def test_a_declared_file_is_told_until_it_is_acknowledged(self, messenger: Messenger, ready: AccessPoint) -> None:
        path = self.worker_declares(ready, "out.1")
        first, second = messenger.collect(ready), messenger.collect(ready)
        assert [file.path for file in first.files] == [file.path for file in second.files] == [str(path)]
        messenger.acknowledge(second)
        assert messenger.collect(ready).files == ()

    def test_an_acknowledgement_puts_away_nothing_that_came_later(self, messenger: Messenger, ready: AccessPoint) -> None:
        self.worker_declares(ready, "out.1")
        first = messenger.collect(ready)
        self.worker_declares(ready, "out.2")
        messenger.acknowledge(first)
        assert [file.lfn for file in messenger.collect(ready).files] == ["out.2"]

    def test_a_second_acknowledgement_does_no_harm(self, messenger: Messenger, ready: AccessPoint) -> None:
        self.worker_declares(ready, "out.1")
        news = messenger.collect(ready)
        messenger.acknowledge(news)
        messenger.acknowledge(news)
        assert messenger.collect(ready).files == ()

    @pytest.mark.parametrize("status", ["finished", "failed"])
    def test_the_word_of_the_worker_on_its_job_is_told(self, messenger: Messenger, ready: AccessPoint, status: str) -> None:
        self.worker_tells(ready, {"jobStatus": status, "nEvents": 5, "node": "n1"})
        news = messenger.collect(ready)
        assert news.job_status == {11: status}
        assert news.attributes[11]["nEvents"] == 5

    def test_a_ring_is_heard_once(self, messenger: Messenger, ready: AccessPoint) -> None:
        self.worker_rings(ready)
        assert list(messenger.rung(ready.root)) == [3]
        assert list(messenger.rung(ready.root)) == []

    def test_after_a_ring_the_letter_for_it_is_read(self, messenger: Messenger, ready: AccessPoint) -> None:
        for number in range(3):
            path = self.worker_declares(ready, f"out.{number}")
            self.worker_rings(ready)
            news = messenger.collect(ready, rung=list(messenger.rung(ready.root)) == [3])
            assert [file.path for file in news.files] == [str(path)]
            messenger.acknowledge(news)

    def test_nobody_rings_below_a_root_that_is_not_there(self, messenger: Messenger, tmp_path: Path) -> None:
        assert list(messenger.rung(tmp_path / "nowhere")) == []

    def test_an_access_point_that_is_gone_says_nothing(self, messenger: Messenger, point: AccessPoint) -> None:
        with pytest.raises(OSError):
            messenger.collect(point)

    def test_a_fence_holds_until_a_batch_job_was_faster(self, messenger: Messenger, ready: AccessPoint) -> None:
        assert messenger.fence(ready)
        assert messenger.fence(ready)
        assert messenger.collect(ready).claim is None
        (ready.path / NAMES.claim).unlink()
        write(ready.path / NAMES.claim, {"batch_id": "4711"})
        assert not messenger.fence(ready)
        claim = messenger.collect(ready).claim
        assert claim is not None
        assert claim.batch_id == "4711"

    @pytest.fixture
    def crowd(self, messenger: Messenger, tmp_path: Path) -> AccessPoint:
        """Return the access point, made and fed, of a worker with two jobs."""
        root = tmp_path / "access"
        point = AccessPoint(root=root, path=root / "4", instance="here", worker_id=4, job_ids=(11, 12), many=True)
        messenger.setup_access_points([point])
        messenger.feed_jobs(point, {11: JOB, 12: {**JOB, "PandaID": 12}}, {})
        return point

    def launcher_begins(self, point: AccessPoint, job_id: int) -> bool:
        """Take one job of many; False if it is not to be had."""
        return claim_job(point.folder_of(job_id) / NAMES.job_claim, {"batch_id": "4711"})

    def test_one_job_of_many_is_begun_once(self, messenger: Messenger, crowd: AccessPoint) -> None:
        assert messenger.collect(crowd).begun == frozenset()
        assert self.launcher_begins(crowd, 11)
        assert not self.launcher_begins(crowd, 11)
        assert messenger.collect(crowd).begun == {11}

    def test_a_fence_around_one_job_holds_until_a_launcher_was_faster(self, messenger: Messenger, crowd: AccessPoint) -> None:
        assert self.launcher_begins(crowd, 11)
        assert [messenger.fence_job(crowd, job_id) for job_id in (11, 12, 11, 12)] == [False, True, False, True]
        assert not self.launcher_begins(crowd, 12)
        assert messenger.collect(crowd).begun == {11}

    def test_what_is_cleaned_up_is_gone_and_may_be_cleaned_up_again(self, messenger: Messenger, ready: AccessPoint) -> None:
        assert messenger.clean_up(ready) == ""
        assert not ready.path.exists()
        assert messenger.clean_up(ready) == ""

    def test_another_workers_access_point_is_left_alone(self, messenger: Messenger, ready: AccessPoint) -> None:
        other = AccessPoint(root=ready.root, path=ready.path, instance="here", worker_id=4)
        assert messenger.clean_up(other) != ""
        assert ready.path.is_dir()
