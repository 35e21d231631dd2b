import asyncio

import pytest

from gateway.domain.events import Change
from gateway.events.hub import MOST_RECENT_IN_ALL, Hub
from tests.builders import an_accepted_job, complete, publish
from tests.patience import PATIENCE_S


async def test_a_change_rings_the_listeners_of_that_job_alone():
    hub, mine, other = Hub(), an_accepted_job(1), an_accepted_job(1)
    with hub.listen(mine.job.job_id) as listener:
        hub.announce(other)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.wait(), 0.01)
        hub.announce(mine)
        await asyncio.wait_for(listener.wait(), PATIENCE_S)


async def test_what_happens_before_the_reset_does_not_ring_again():
    hub, accepted = Hub(), an_accepted_job(1)
    with hub.listen(accepted.job.job_id) as listener:
        hub.announce(accepted)
        listener.reset()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listener.wait(), 0.01)


async def test_a_deletion_rings_too():
    hub, accepted = Hub(), an_accepted_job(1)
    with hub.listen(accepted.job.job_id) as listener:
        hub.announce_deleted(accepted.job.job_id)
        await asyncio.wait_for(listener.wait(), PATIENCE_S)


async def test_recent_events_are_at_hand_while_somebody_listens():
    hub, accepted = Hub(), an_accepted_job(2)
    started = publish(accepted.job, 0)
    with hub.listen(accepted.job.job_id):
        hub.announce(started)
        assert hub.topic(accepted.job.job_id).recent(after=1) == list(started.events)
    assert hub.topic(accepted.job.job_id).recent(after=1) == []


async def test_a_job_that_nobody_listens_to_any_more_has_no_topic():
    hub, accepted = Hub(), an_accepted_job(1)
    with hub.listen(accepted.job.job_id):
        with hub.listen(accepted.job.job_id):
            pass
        assert hub.topics == 1
    assert hub.topics == 0


async def test_one_that_listens_to_a_job_anew_does_not_end_with_an_old_one():
    """A topic that was released is another than the one that came after it."""
    hub, accepted = Hub(), an_accepted_job(1)
    old = hub.topic(accepted.job.job_id)
    hub.release(old)
    with hub.listen(accepted.job.job_id):
        hub.release(old)
        assert hub.topics == 1


async def test_what_is_kept_at_hand_is_shared_among_all_jobs_that_are_listened_to():
    """Also those of jobs of which there is no news any more."""
    hub, change = Hub(), an_accepted_job(40)
    quiet = hub.topic(change.job.job_id)
    for index in range(40):
        change = publish(change.job, index)
        hub.announce(change)
    assert len(quiet.recent(after=change.job.seq - 40)) == 40
    jobs = 2 * MOST_RECENT_IN_ALL // 40
    others = [hub.topic(str(number)) for number in range(jobs)]
    assert quiet.recent(after=change.job.seq - 40) == []
    assert len(quiet.recent(after=change.job.seq - MOST_RECENT_IN_ALL // jobs)) == MOST_RECENT_IN_ALL // jobs
    for topic in (quiet, *others):
        hub.release(topic)
    assert hub.topics == 0


async def test_there_is_more_for_each_again_once_others_are_gone():
    hub, change = Hub(), an_accepted_job(40)
    many = [hub.topic(str(number)) for number in range(MOST_RECENT_IN_ALL // 20)]
    for topic in many:
        hub.release(topic)
    topic = hub.topic(change.job.job_id)
    for index in range(40):
        change = publish(change.job, index)
        hub.announce(change)
    assert len(topic.recent(after=change.job.seq - 40)) == 40
    topic.close()


async def test_observers_see_every_change():
    hub = Hub()
    seen: list[Change] = []
    hub.observe(seen.append)
    accepted = an_accepted_job(1)
    started = publish(accepted.job)
    ended = complete(started.job)
    for change in (accepted, started, ended):
        hub.announce(change)
    assert seen == [accepted, started, ended]


async def test_observers_of_deletions_see_every_one():
    hub = Hub()
    seen: list[str] = []
    hub.observe_deletions(seen.append)
    hub.announce_deleted("x")
    assert seen == ["x"]
