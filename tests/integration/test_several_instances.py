"""Two instances that serve one queue of one workload management system."""
from __future__ import annotations

from pathlib import Path

from harvester_local.served.server import ServedSystem
from tests.integration.instance import Instance, shell, until

JOBS = 6


def test_no_job_runs_at_two_instances_and_each_has_its_share(tmp_path: Path) -> None:
    with (
        ServedSystem(tmp_path / "wms") as served, Instance(tmp_path / "one") as one, Instance(tmp_path / "two") as two,
    ):
        for number, instance in enumerate((one, two)):
            instance.make({
                "extends": "local", "instance": f"tests-{number}", "communicator": {"name": "panda", "url": served.url},
                "queues": {"Q": {"pollInterval": 0.5, "nQueueLimitJob": 1, "nQueueLimitWorker": 1, "maxWorkers": 1}},
            })
        numbers = served.system.local.submit_jobs([shell(f"echo $$ >> '{tmp_path}/begun.{job}'; sleep 0.3") for job in range(JOBS)])
        one.serve()
        two.serve()

        def ended() -> bool:
            return all((served.system.local.job(number) or {})["state"] == "finished" for number in numbers)

        until(ended, lambda: f"all end\n{one.log[-2000:]}\n{two.log[-2000:]}")
        assert [len((tmp_path / f"begun.{job}").read_text().splitlines()) for job in range(JOBS)] == [1] * JOBS
        shares = [{row[0] for row in instance.query("SELECT job_id FROM job")} for instance in (one, two)]
        assert shares[0].isdisjoint(shares[1])
        assert shares[0] | shares[1] == set(numbers)
        assert all(shares), "who has one job at a time leaves the others to the other"
