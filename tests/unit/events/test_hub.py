import asyncio

import pytest

from gateway.domain.events import Change
from gateway.events.hub import Hub
from tests.builders import an_accepted_job, complete, publish


async def test_a_change_rings_the_listeners_of_that_job_alone():
    hub, mine, other = Hub(), an_accepted_job(1), an_accepted_job(1)
    with hub.listen(mine.job.job_id) as listener:
        hub.announce(other)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.wait(), 0.01)
        hub.announce(mine)
        await asyncio.wait_for(listener.wait(), 1)


async def test_what_happens_before_the_reset_does_not_ring_again():
    hub, accepted = Hub(), an_accepted_job(1)
    with hub.listen(accepted.job.job_id) as listener:
        hub.announce(accepted)
        listener.reset()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.wait(), 0.01)


def test_recent_events_are_at_hand_while_somebody_listens():
    hub, accepted = Hub(), an_accepted_job(2)
    started = publish(accepted.job, 0)
    ended = complete(started.job, 0)
    with hub.listen(accepted.job.job_id):
        hub.announce(started)
        hub.announce(ended)
        assert hub.recent(accepted.job.job_id, after=1) == started.events + ended.events
        assert hub.recent(accepted.job.job_id, after=2) == ended.events
        assert hub.recent(accepted.job.job_id, after=3) == ()
    assert hub.recent(accepted.job.job_id, after=1) == ()


def test_recent_events_never_hide_a_gap():
    hub, accepted = Hub(), an_accepted_job(2)
    started = publish(accepted.job, 0)
    with hub.listen(accepted.job.job_id):
        hub.announce(started)
        assert hub.recent(accepted.job.job_id, after=0) == ()


def test_after_a_gap_in_what_was_announced_only_the_newer_part_is_at_hand():
    hub, accepted = Hub(), an_accepted_job(2)
    started = publish(accepted.job, 0)
    ended = complete(started.job, 0)
    with hub.listen(accepted.job.job_id):
        hub.announce(accepted)
        hub.announce(ended)
        assert hub.recent(accepted.job.job_id, after=0) == ()
        assert hub.recent(accepted.job.job_id, after=2) == ended.events


def test_observers_see_every_change():
    hub = Hub()
    seen: list[Change] = []
    hub.observe(seen.append)
    accepted = an_accepted_job(1)
    hub.announce(accepted)
    assert seen == [accepted]
