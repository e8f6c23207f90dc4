"""How many calls a server gets at a time: found in virtual time, against servers that are drawn up here."""

import asyncio
import itertools
import random

import pytest
import virtual_time

from tbpsbench.mllm.limiter import Limiter


class Drive:
    """Many calls through a limiter to a server.

    Args:
        seconds: what a reply takes, of the time in seconds.
        slots: more calls at a time are refused.
        retry_after: seconds that a refusal asks to wait.
        serial: whether the server answers one call after the other.
    """

    def __init__(self, limiter, seconds, slots=10_000, retry_after=None, serial=False):
        self.limiter, self.seconds, self.slots, self.retry_after = limiter, seconds, slots, retry_after
        self.one = asyncio.Semaphore(1 if serial else 10_000)
        self.in_flight = self.refused = 0
        self.limits = []  # (time, limit)
        self.dice = random.Random(0)

    def run(self, calls, clients=64):
        """Calls per second."""

        async def main():
            todo = list(range(calls))
            await asyncio.gather(*(self._client(todo) for _ in range(clients)))
            return calls / asyncio.get_running_loop().time()

        return virtual_time.run(main())

    async def _client(self, todo):
        while todo:
            todo.pop()
            while not await self._call():
                await asyncio.sleep(max(self.retry_after or 0, self.dice.uniform(0.25, 0.5)))

    async def _call(self):
        ticket = await self.limiter.acquire()
        now = asyncio.get_running_loop().time()
        self.in_flight += 1
        good = self.in_flight <= self.slots
        async with self.one:
            await asyncio.sleep(self.seconds(now) * self.dice.lognormvariate(0, 0.3) if good else 0.002)
        self.in_flight -= 1
        self.refused += not good
        self.limiter.release(
            ticket, "answered" if good else "refused", tokens=20, after=None if good else self.retry_after
        )
        self.limits.append((now, self.limiter.limit))
        return good

    def between(self, start, stop):
        """The mean limit in a span of time."""
        found = [limit for now, limit in self.limits if start <= now < stop]
        return sum(found) / len(found)


def fixed(limit):
    limiter = Limiter(limit)
    limiter.limit = limit
    return limiter


@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_settles_below_what_a_server_refuses(retry_after):
    best = max(Drive(fixed(n), lambda now: 0.4, slots=24).run(2000) for n in (20, 22, 24))
    drive = Drive(Limiter(64), lambda now: 0.4, slots=24, retry_after=retry_after)
    assert drive.run(2000) >= 0.93 * best
    assert drive.between(15, 30) == pytest.approx(24, abs=1)
    assert drive.refused < 60


def test_uses_all_that_an_untiring_server_gives():
    free = Drive(fixed(64), lambda now: 0.4).run(3000)
    assert Drive(Limiter(64), lambda now: 0.4).run(3000) >= 0.9 * free


def test_falls_when_a_server_slows_down_and_rises_again():
    drive = Drive(Limiter(64), lambda now: 1.6 if 20 <= now < 40 else 0.4)
    drive.run(6000)
    assert drive.between(15, 20) > 60
    assert drive.between(23, 30) < 40
    assert drive.between(55, 60) > 60


def test_finds_slots_that_come_back():
    drive = Drive(Limiter(64), lambda now: 0.4)
    drive.slots = 8

    async def widen():
        await asyncio.sleep(30)
        drive.slots = 10_000

    async def main():
        todo = list(range(4000))
        await asyncio.gather(widen(), *(drive._client(todo) for _ in range(64)))

    virtual_time.run(main())
    assert drive.between(20, 30) == pytest.approx(8, abs=1)
    assert drive.limits[-1][1] > 40


def test_refusals_that_go_on_pause_the_server():
    """A limit by the minute refuses whatever the number at a time: calls are not fired at it in the meantime."""
    spans = []

    async def main():
        limiter = Limiter(64)
        loop = asyncio.get_running_loop()
        for _ in range(20):
            ticket = await limiter.acquire()
            spans.append(loop.time())
            limiter.release(ticket, "refused", after=10.0)

    virtual_time.run(main())
    gaps = [later - now for now, later in itertools.pairwise(spans)]
    assert all(gap >= 10 for gap in gaps[1:])


def test_answers_that_come_late_halve_the_limit_once_for_all_sent_before():
    async def main():
        limiter = fixed(16)
        tickets = [await limiter.acquire() for _ in range(16)]
        for ticket in tickets:
            limiter.release(ticket, "late")
        return limiter.limit

    assert virtual_time.run(main()) == 8


def test_does_not_grow_while_replies_take_longer_than_they_may():
    drive = Drive(Limiter(64, longest=3.0), lambda now: 0.5, serial=True)
    drive.run(300)
    assert max(limit for _, limit in drive.limits) < 16


def test_faults_say_nothing_about_the_limit():
    async def main():
        limiter = fixed(16)
        for _ in range(100):
            limiter.release(await limiter.acquire(), "failed")
        return limiter.limit, limiter.in_flight

    assert virtual_time.run(main()) == (16, 0)


def test_cancelled_waiters_take_no_slot():
    async def main():
        limiter = fixed(1)
        ticket = await limiter.acquire()
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        limiter.release(ticket, "answered")
        waiting[1].cancel()  # its turn has come already
        await asyncio.sleep(0)
        limiter.release(await waiting[2], "answered")
        return limiter.in_flight

    assert virtual_time.run(main()) == 0


def test_who_waits_is_told_that_the_run_has_stopped():
    async def main():
        limiter = fixed(1)
        await limiter.acquire()
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        limiter.stop(RuntimeError("stopped"))
        await waiting

    with pytest.raises(RuntimeError, match="stopped"):
        virtual_time.run(main())
