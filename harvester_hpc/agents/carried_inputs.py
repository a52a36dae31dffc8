"""Jobs whose inputs come in batches: they wait for room, then for the files, which they share with others. A part of the preparator."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.input_cache import InputCache, Room
from harvester_hpc.agents.staging import CARRIED_S, Answered
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.input import Identity, Input, InputState
from harvester_hpc.model.job import Job, JobState, JobStep, Outcome, look_again, step
from harvester_hpc.model.origins import origins_of
from harvester_hpc.model.queue import Queue
from harvester_hpc.policy.room import Amount, never_fits
from harvester_hpc.ports.outcome import FileNews
from harvester_hpc.store import input as inputs

#: Seconds until a job that waits for room is looked at again.
ROOM_S = 30.0


class CarriedInputs:
    """fetched -> preparing -> prepared, for queues whose preparator moves batches."""

    def __init__(self, agent: Agent, cache: InputCache) -> None:
        self.agent = agent
        self.database = agent.database
        self.clock = agent.clock
        self._cache = cache

    def answered(self, queue: Queue, group: Sequence[Job]) -> list[Answered]:
        """Return what becomes of some jobs of a queue, in the order in which they get room."""
        with self.database.read() as connection:
            uses = inputs.uses(connection, [job.id for job in group])
        fresh = {job.id: self._identities(queue, job) for job in group if job.state is JobState.FETCHED and not job.cancel}
        room = self._room(queue, fresh.values())
        return [self._answered(queue, job, uses[job.id], fresh.get(job.id), room) for job in group]

    def _answered(
        self, queue: Queue, job: Job, uses: Mapping[FileId, Input], identities: Mapping[FileId, Identity] | None, room: Room
    ) -> Answered:
        if job.cancel:
            cancelled = step(job, JobState.CANCELLED, self.clock.now(), why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED)
            return Answered(job=job, step=cancelled)
        return self._looked_at(queue, job, uses) if identities is None else self._admitted(queue, job, identities, room)

    # -- fetched ----------------------------------------------------------------------------------

    def _room(self, queue: Queue, wanted: Iterable[Mapping[FileId, Identity]]) -> Room:
        """Return the room that there is; what one of the jobs wants that are looked at does not leave to make more."""
        identities = {identity for several in wanted for identity in several.values()}
        with self.database.read() as connection:
            known = [one for identity in identities if (one := inputs.known(connection, identity)) is not None]
        there = {one.identity for one in known if one.state in (InputState.READY, InputState.WANTED)}
        return Room(self._cache, queue.cache, there, [one.id for one in known])

    def _admitted(self, queue: Queue, job: Job, identities: Mapping[FileId, Identity], room: Room) -> Answered:
        """Return what becomes of a job that has not begun.

        A job gets room for all of its inputs or for none: two that had half of theirs would wait for each other.
        """
        now = self.clock.now()
        if not identities:
            return Answered(job=job, step=step(job, JobState.PREPARED, now))
        if wrong := [file.lfn for file in _inputs_of(job) if not _is_plain(file.lfn)]:
            return Answered(job=job, step=_failed(job, now, f"{wrong[0]!r} is no name of a file"))
        if why := never_fits(_amount(identities), Amount(size=queue.cache.limit, files=queue.cache.limit_files)):
            return Answered(job=job, step=_failed(job, now, why))
        new = set(identities.values()) - room.there
        if why := room.take(new):
            return Answered(job=job, step=look_again(job, now + ROOM_S, why=why))
        preparing = step(job, JobState.PREPARING, now, due=now + CARRIED_S if new else now)
        news = tuple(FileNews(file_id=file_id, state=FileState.PREPARING) for file_id in identities)
        return Answered(job=job, step=preparing, news=news, wants=tuple(identities.items()))

    def _identities(self, queue: Queue, job: Job) -> dict[FileId, Identity]:
        root, origins = self._cache.root_of(queue.cache), origins_of(job.params)
        return {
            file.id: Identity(
                root=root, scope=file.scope, lfn=file.lfn, checksum=file.checksum, size=file.size, origin=origins.get(file.lfn, "")
            )
            for file in _inputs_of(job) if file.state is not FileState.READY
        }

    # -- preparing --------------------------------------------------------------------------------

    def _looked_at(self, queue: Queue, job: Job, uses: Mapping[FileId, Input]) -> Answered:
        now = self.clock.now()
        failed = [one for one in uses.values() if one.state is InputState.FAILED]
        if failed:
            why = "; ".join(f"{one.identity.lfn}: {one.why}" for one in failed[:5])
            news = tuple(
                FileNews(file_id=file_id, state=FileState.FAILED, why=one.why)
                for file_id, one in uses.items() if one.state is InputState.FAILED
            )
            return Answered(job=job, step=_failed(job, now, why), news=news)
        missing = {file_id: identity for file_id, identity in self._identities(queue, job).items() if file_id not in uses}
        if missing:  # it was just leaving the cache when it was wanted
            self._cache.clean()
            return Answered(job=job, step=look_again(job, now + 2.0), wants=tuple(missing.items()))
        ready = {file_id: one for file_id, one in uses.items() if one.state is InputState.READY}
        lost = tuple({one.id: one for one in ready.values() if not self._cache.is_there(one)}.values())
        for one in lost:
            self._cache.discard(one)
        if lost or len(ready) < len(uses):
            why = f"waits for {len(uses) - len(ready) + len(lost)} of {len(uses)} inputs"
            return Answered(job=job, step=look_again(job, now + CARRIED_S, why=why), lost=lost)
        news = tuple(
            FileNews(file_id=file_id, state=FileState.READY, path=one.path, size=one.bytes or None, checksum=one.identity.checksum)
            for file_id, one in uses.items()
        )
        return Answered(job=job, step=step(job, JobState.PREPARED, now), news=news)


def _inputs_of(job: Job) -> list[File]:
    return [file for file in job.files if file.kind is FileKind.INPUT]


def _amount(identities: Mapping[FileId, Identity]) -> Amount:
    whole = set(identities.values())
    return Amount(size=sum(identity.size or 0 for identity in whole), files=len(whole))


def _failed(job: Job, now: float, why: str) -> JobStep:
    return step(job, JobState.FAILED, now, why=f"stage-in: {why}", cause=Cause.STAGE_IN, outcome=Outcome.FAILED)


def _is_plain(lfn: str) -> bool:
    return bool(lfn) and "/" not in lfn and "\0" not in lfn and not lfn.startswith(".") and len(lfn.encode("utf-8", "replace")) <= 240
