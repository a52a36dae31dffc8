"""Torque (PSI/J's pbs_classic): qstat's XML for the queue; it remembers ended batch jobs for some minutes, and nobody tells after that."""
from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from harvester_psij.pbs_family import PbsFamily
from harvester_psij.pbs_options import torque_directives
from harvester_psij.pbs_rows import first_node, over_time, seconds_of, shell_code
from harvester_psij.pbs_states import PBS_ALIVE, PBS_ENDED, TORQUE_STATUSES, End, meaning_of_end
from harvester_psij.rows import NOTHING_TOLD, Listing, Row
from harvester_psij.wanted import Wanted

QUEUE = ("qstat", "-f", "-x")
JOB = re.compile(r"<Job>.*?</Job>", re.DOTALL)


class Torque(PbsFamily):
    """Torque as its commands tell it."""

    name = "pbs_classic"
    executor = ("psij.executors.batch.pbs_classic", "PBSClassicJobExecutor")

    def directives(self, wanted: Wanted) -> list[str]:
        """Return the ``#PBS`` lines."""
        return torque_directives(wanted)

    def queue(self, ids: Sequence[str]) -> Listing:
        """Return what the server knows of these batch jobs, ended ones that it remembers included.

        Raises:
            Unavailable: Torque does not answer.
        """
        return self._told(QUEUE, ids, torque_rows)

    def accounting(self, ids: Sequence[str]) -> Listing:
        """Return nothing: what the server has forgotten is known to administrators only (tracejob)."""
        return NOTHING_TOLD

    def named(self, keys: Sequence[str]) -> Listing:
        """Return the batch jobs of these names.

        Raises:
            Unavailable: Torque does not answer.
        """
        return self._told(QUEUE, self._ids_named(keys, ["qselect"]), torque_rows)


def torque_rows(output: str) -> Listing:
    """Return the batch jobs of ``qstat -f -x``, each read by itself: one that is no XML costs only itself."""
    rows: list[Row] = []
    unread = JOB.sub("", output).strip()
    for text in JOB.findall(output):
        row = _row(text)
        if row is None:
            unread += f"\n{text}"
            continue
        rows.append(row)
    whole = not output.strip() or output.rstrip().endswith("</Data>")
    return Listing(rows=tuple(rows), unread=unread.replace("<Data>", "").replace("</Data>", "").strip(), cut=not whole)


def _row(text: str) -> Row | None:
    try:
        job = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    batch_id, letter = (job.findtext("Job_Id") or "").strip(), (job.findtext("job_state") or "").strip().upper()
    if not batch_id[:1].isdigit() or not letter:
        return None
    told = (job.findtext("exit_status") or "").strip()
    status = int(told) if re.fullmatch(r"-?\d+", told, re.ASCII) else None
    started, ended = seconds_of(job.findtext("start_time")), letter in PBS_ENDED
    times = {name: {"walltime": job.findtext(f"{name}/walltime")} for name in ("resources_used", "Resource_List")}
    end = End(status=status, ran=started is not None, over_time=over_time(times))
    return Row(
        batch_id=batch_id,
        code=letter,
        meaning=meaning_of_end(end, TORQUE_STATUSES) if ended else PBS_ALIVE.get(letter),
        name=(job.findtext("Job_Name") or "").strip(),
        submitted=seconds_of(job.findtext("qtime")) or seconds_of(job.findtext("ctime")),
        started=started,
        ended=(seconds_of(job.findtext("comp_time")) or seconds_of(job.findtext("mtime"))) if ended else None,
        node=first_node(job.findtext("exec_host") or ""),
        reason=" ".join((job.findtext("comment") or "").split())[:300],
        exit_code=shell_code(status),
    )
