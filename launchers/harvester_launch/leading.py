"""Rank 0 at work: messages from the Droids, letters from the login node, and the clock."""
from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import Any

from harvester_launch.backoff import Backoff
from harvester_launch.droid import Ranks
from harvester_launch.mailbox import Mailbox
from harvester_launch.master import Master
from harvester_launch.publishing import Publisher
from harvester_launch.signals import Told
from harvester_launch.telling import say
from harvester_launch.yoda_options import YodaOptions

#: Seconds; a message is found at most this late.
LONGEST_WAIT_S = 0.005
#: Seconds between two looks for letters, and between two counts of unread ones.
LOOK_S, COUNT_S = 0.5, 5.0
#: Seconds that Droids have at least to say goodbye; what else is to be told has to be told before the allocation ends.
LEAST_S = 2.0
#: Ranges that are asked for at once: their letter is well below what a letter may be, and rank 0 must hold it in memory.
MOST_ASKED = 200_000


@dataclass(slots=True)
class Used:
    """What the Droids have used: CPU seconds, and seconds of busy slots; ranks that have said goodbye."""

    cpu_s: float = 0.0
    busy_s: float = 0.0
    byes: int = 0


class Leading:
    """Yoda's loop."""

    def __init__(
        self, world: Ranks, options: YodaOptions, master: Master, mailbox: Mailbox, publisher: Publisher, told: Told, jobs: tuple[int, ...]
    ) -> None:
        self._world, self._options, self._mailbox, self._told = world, options, mailbox, told
        self.master, self.publisher = master, publisher
        self.used = Used()
        self.why = ""
        self.trouble = ""
        self.first_work: float | None = None
        self.last_work: float | None = None
        self._dry = dict.fromkeys(jobs, False)
        self._gone: set[int] = set()
        self._look_at = self._count_at = 0.0
        self._busy_at = time.monotonic()
        self._drained_by = 0.0

    def run(self) -> None:
        """Lead until there is nothing left to do, or the time is over; all results are told then."""
        backoff = Backoff(LONGEST_WAIT_S)
        while not self._is_over():
            busy = self._listen()
            now = time.monotonic()
            if now >= self._look_at:
                self._look_at = now + LOOK_S
                busy = self._look(now) or busy
            for rank, work in self.master.serve_hungry(now):
                self._give(rank, work, now)
                busy = True
            if self.publisher.due(len(self.master.done) + len(self.master.failed), now):
                self._publish()
            seconds = backoff.next_s(busy=busy)
            if seconds:
                select.select([self._told.pipe], [], [], seconds)
                self._told.clear()
        self._publish()  # a rank that hangs may take what time is left
        self._dismiss()
        self._publish()
        self._give_back()

    # -- messages ---------------------------------------------------------------------------------

    def _listen(self) -> bool:
        messages = self._world.receive()
        now = time.monotonic()
        for rank, message in messages:
            self._hear(rank, message, now)
        for rank in self._world.lost() - self._gone:
            self._lose(rank, f"rank {rank} is gone")
        return bool(messages)

    def _hear(self, rank: int, message: Any, now: float) -> None:
        match message:
            case ("report", done, failed, mean_s):
                self.master.report(rank, done, failed, mean_s, now)
                self._give(rank, self.master.serve(rank, now), now)
                if done or failed:
                    self._busy_at = self.last_work = now
            case ("join", slots):
                self.master.join(rank, slots, now)
            case ("returned", numbers):
                self.master.take_back(rank, numbers)
            case ("interrupted", numbers):
                self.master.interrupt(rank, numbers)
            case ("told", name):
                self._drain(f"rank {rank} was told {name}")
            case ("gone", why):
                self._lose(rank, why)
            case ("bye", cpu_s, busy_s):
                self.used.cpu_s += cpu_s
                self.used.busy_s += busy_s
                self.used.byes += 1

    def _give(self, rank: int, work: Any, now: float) -> None:
        if work:
            self._world.send(rank, ("work", work))
            self.first_work = now if self.first_work is None else self.first_work
            self._busy_at = now

    def _lose(self, rank: int, why: str) -> None:
        if rank not in self._gone:
            self._gone.add(rank)
            say(f"{why}; its ranges wait again")
            self.master.lose(rank, why)

    # -- letters and the clock --------------------------------------------------------------------

    def _look(self, now: float) -> bool:
        if self._told.name:
            self._drain(f"told {self._told.name}")
        if self.master.ends is not None and now >= self.master.ends - self._options.grace_s:
            self._drain("the allocation ends")
        for rank in self.master.tick(now):
            say(f"rank {rank} says nothing any more; its ranges wait again")
        if self.master.draining:
            return False
        try:
            news = self._take_ranges()
            self._ask(now)
            if now >= self._count_at:
                self._count_at = now + COUNT_S
                self._judge_pile()
        except OSError as error:
            say(f"letters: {error}")
            return False
        return news

    def _take_ranges(self) -> bool:
        arrived = self._mailbox.arrived()
        for letter in arrived:
            for job_id, ranges in letter.items():
                self._dry[job_id] = not ranges
                new = self.master.ledger.add(job_id, ranges)
                if ranges:
                    say(f"job {job_id}: {new} new ranges" + (f", {len(ranges) - new} known already" if new < len(ranges) else ""))
                else:
                    say(f"job {job_id}: there are no more ranges")
        return bool(arrived)

    def _ask(self, now: float) -> None:
        thirsty = [job_id for job_id, dry in self._dry.items() if not dry]
        lacking = self.master.lacking(self._options.lead_s, now) if thirsty and self.master.slots else 0
        lacking = min(lacking, MOST_ASKED)
        if lacking and self._mailbox.request(dict.fromkeys(thirsty, -(-lacking // len(thirsty)))):
            self.publisher.ring()

    def _judge_pile(self) -> None:
        unread = self._mailbox.unread()
        blocked = unread >= self._options.unread_limit
        if blocked and not self.master.blocked:
            say(f"{unread} results are not read by anybody: nothing is given until they are")
        self.master.blocked = blocked

    def _publish(self) -> None:
        try:
            self.publisher.publish(self.master.done, self.master.failed)
            self.trouble = ""
        except OSError as error:
            self.publisher.later(time.monotonic())
            self.trouble = f"cannot tell results: {error}"
            say(self.trouble)

    # -- the end ----------------------------------------------------------------------------------

    def _drain(self, why: str) -> None:
        if not self.master.draining:
            say(f"{why}: no new ranges are given, running ones may end within {self._options.grace_s:g} s")
            self.why = why
            self.master.draining = True
            self._drained_by = time.monotonic() + 2 * self._options.grace_s + 10.0
            for rank in self.master.droids:
                self._world.send(rank, ("drain", self._options.grace_s))
            self._give_back()

    def _give_back(self) -> None:
        """Give back what nobody has begun, and what has come and was not looked at yet: another worker may have it at once."""
        try:
            self._mailbox.withdraw()
            for letter in self._mailbox.rest():
                for job_id, ranges in letter.items():
                    self.master.ledger.add(job_id, ranges)
            number = self.publisher.give_back()
        except OSError as error:
            say(f"what was not begun is not told: {error}")
            return
        if number:
            say(f"{number} ranges that were not begun go back")

    def _is_over(self) -> bool:
        if self.master.draining:
            return self.master.ledger.given == 0 or time.monotonic() >= self._drained_by
        if len(self._gone) == self._world.size - 1:
            self.why = "all Droids are gone"
            return True
        if self.master.ledger.given:
            return False
        if self.master.idle and all(self._dry.values()):
            return True
        why = self._nothing_more()
        if why:
            self._drain(why)
        return bool(why)

    def _nothing_more(self) -> str:
        """Return why nothing will be done any more although the allocation goes on; "" if something may."""
        now = time.monotonic()
        if not self.master.has_time(now):
            return "no range would end in time"
        if now - self._busy_at <= self._options.idle_s:
            return ""
        if self.master.blocked:
            return f"results were not read by anybody for {self._options.idle_s:g} s"
        return f"there was nothing to do for {self._options.idle_s:g} s"

    def _dismiss(self) -> None:
        """Send the Droids home, and wait for their goodbyes, but not for ever."""
        for rank in range(1, self._world.size):
            self._world.send(rank, ("end",))
        now = time.monotonic()
        end = now + 2 * self._options.grace_s + 10.0
        if self.master.ends is not None:
            end = min(end, max(self.master.ends, now + LEAST_S))
        while self.used.byes + len(self._gone) < self._world.size - 1 and time.monotonic() < end:
            if not self._listen():
                time.sleep(0.005)
        self._world.settle(10.0)
