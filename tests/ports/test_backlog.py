"""The suite of the port Backlog."""

from functools import partial

from gateway.domain.job import Stage, Status
from gateway.domain.transitions import (
    AttemptPolicy,
    attempt_lost,
    attempt_rejected,
    begin_fetch,
    cancel,
    fetch_later,
)
from tests.builders import (
    NOW,
    a_failure,
    a_url_image,
    an_accepted_job,
    an_image,
    attempt_of,
    complete,
    publish,
)
from tests.ports.job_stores import LATER, MANY, SECOND, Store, add, some_jobs, started, stop


async def test_images_wait_to_be_published_by_job_the_oldest_first(store: Store):
    first = await add(store, an_accepted_job([an_image(0), a_url_image(1), an_image(2)], now=NOW))
    second = await add(store, an_accepted_job(images=2, now=NOW + SECOND))
    waiting = await store.to_publish(LATER, limit=10, max_running=MANY)
    assert [(job, list(indices)) for job, indices in waiting.items()] == [
        (first.job_id, [0, 2]),
        (second.job_id, [0, 1]),
    ]


async def test_images_wait_to_be_fetched_likewise(store: Store):
    first = await add(store, an_accepted_job([an_image(0), a_url_image(1), a_url_image(2)], now=NOW))
    second = await add(store, an_accepted_job([a_url_image(0)], now=NOW + SECOND))
    await store.update(first.job_id, lambda job: begin_fetch(job, 1, NOW))
    waiting = await store.to_fetch(LATER, limit=10, max_running=MANY)
    assert [(job, list(indices)) for job, indices in waiting.items()] == [
        (first.job_id, [1, 2]),
        (second.job_id, [0]),
    ]


async def test_a_backlog_is_cut_to_so_many_jobs_with_so_many_images_each(store: Store):
    jobs = [await add(store, an_accepted_job(images=5, now=NOW + n * SECOND)) for n in range(5)]
    waiting = await store.to_publish(LATER, limit=2, max_running=MANY)
    assert {job: list(indices) for job, indices in waiting.items()} == {
        jobs[0].job_id: [0, 1],
        jobs[1].job_id: [0, 1],
    }
    assert await store.to_publish(LATER, limit=0, max_running=MANY) == {}


async def test_an_image_waits_until_its_time_has_come(store: Store):
    job = await add(store, an_accepted_job([a_url_image(0), a_url_image(1)]))
    await store.update(job.job_id, lambda job: fetch_later(job, 0, NOW + SECOND))
    assert await store.to_fetch(NOW, limit=10, max_running=MANY) == {job.job_id: [1]}
    assert await store.to_fetch(NOW + SECOND, limit=10, max_running=MANY) == {job.job_id: [0, 1]}


async def test_an_image_in_the_broker_or_ended_is_not_left_to_do(store: Store):
    job = await add(store, an_accepted_job(images=2))
    await store.update(job.job_id, publish)
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {job.job_id: [1]}
    await store.update(job.job_id, stop)
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {}


async def test_images_in_the_broker_are_counted_until_they_end_or_are_rejected(store: Store):
    job = await add(store, an_accepted_job(images=3))
    for index in range(3):
        await store.update(job.job_id, partial(publish, index=index))
    assert await store.in_flight() == 3
    await store.update(job.job_id, complete)
    reject = lambda job: attempt_rejected(job, attempt_of(job, 1), a_failure(), AttemptPolicy(), NOW)  # noqa: E731
    await store.update(job.job_id, reject)
    assert await store.in_flight() == 1


async def test_images_that_have_not_ended_are_counted_by_what_they_wait_for(store: Store):
    assert set((await store.open_images()).values()) == {0}
    job = await add(store, an_accepted_job([an_image(0), an_image(1), an_image(2), a_url_image(3)]))
    await store.update(job.job_id, partial(publish, index=1))
    await store.update(job.job_id, complete)
    assert await store.open_images() == {Stage.FETCH: 1, Stage.PUBLISH: 1, Stage.RESULT: 1}


async def test_forgotten_publishes_are_left_to_do_again(store: Store):
    job = await add(store, an_accepted_job(images=3))
    for index in (0, 1):
        await store.update(job.job_id, partial(publish, index=index))
    await store.update(job.job_id, complete)
    assert await store.forget_publishes() == 1
    assert await store.in_flight() == 0
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {job.job_id: [1, 2]}
    stored = await store.get(job.job_id)
    assert [image.published_at is None for image in stored.images] == [False, True, True]
    assert stored.images[1].status is Status.PROCESSING
    await store.update(job.job_id, partial(publish, index=1))
    assert await store.in_flight() == 1


async def test_a_forgotten_publish_is_an_interruption_of_its_image_alone(store: Store):
    job = await add(store, an_accepted_job(images=3))
    await store.update(job.job_id, publish)
    await store.update(job.job_id, complete)
    for times in (1, 2):
        await store.update(job.job_id, partial(publish, index=1))
        await store.forget_publishes()
        stored = await store.get(job.job_id)
        assert [image.interruptions for image in stored.images] == [0, times, 0]


async def test_a_publish_that_is_taken_back_is_left_to_do_again_and_no_interruption(store: Store):
    job = await add(store, an_accepted_job(images=2))
    await store.update(job.job_id, publish)
    assert await store.take_back_publishes() == 1
    assert await store.to_publish(NOW, limit=10, max_running=MANY) == {job.job_id: [0, 1]}
    assert [image.interruptions for image in (await store.get(job.job_id)).images] == [0, 0]
    assert await store.forget_publishes() == 0


async def test_images_that_were_interrupted_so_often_are_found_while_they_wait(store: Store):
    first, second = await some_jobs(store, 2)
    for images in ([(first, 0), (first, 2), (second, 1)], [(first, 2), (second, 1)]):
        for job, index in images:
            await store.update(job.job_id, partial(publish, index=index))
        await store.forget_publishes()
    assert await store.interrupted(1) == {first.job_id: [0, 2], second.job_id: [1]}
    assert await store.interrupted(2) == {first.job_id: [2], second.job_id: [1]}
    await store.update(first.job_id, partial(publish, index=2))
    await store.update(second.job_id, stop)
    assert await store.interrupted(2) == {}


async def test_ended_jobs_are_found_by_their_end_the_oldest_first(store: Store):
    jobs = [await add(store, an_accepted_job()) for _ in range(4)]
    for number in (2, 0, 1):
        moment = NOW + number * SECOND
        await store.update(jobs[number].job_id, partial(cancel, now=moment))
    assert list(await store.ended_before(NOW + 2 * SECOND, limit=10)) == [jobs[0].job_id, jobs[1].job_id]
    assert list(await store.ended_before(LATER, limit=2)) == [jobs[0].job_id, jobs[1].job_id]
    assert list(await store.ended_before(NOW, limit=10)) == []


async def test_who_asks_with_the_job_served_last_lets_all_take_turns(store: Store):
    jobs = [(await add(store, an_accepted_job(images=2))).job_id for _ in range(3)]
    assert list(await store.to_publish(LATER, limit=2, max_running=MANY, after=jobs[0])) == [jobs[1], jobs[2]]
    assert list(await store.to_publish(LATER, limit=2, max_running=MANY, after=jobs[1])) == [jobs[2], jobs[0]]
    assert list(await store.to_publish(LATER, limit=5, max_running=MANY, after=jobs[2])) == jobs
    assert set(await store.to_publish(LATER, limit=5, max_running=MANY, after=jobs[0])) == set(jobs)


async def test_after_a_job_that_is_gone_the_round_begins_anew(store: Store):
    jobs = [(await add(store, an_accepted_job(images=1))).job_id for _ in range(3)]
    await store.delete(jobs[1])
    assert list(await store.to_publish(LATER, limit=2, max_running=MANY, after=jobs[1])) == [jobs[0], jobs[2]]


async def test_when_as_many_jobs_run_as_may_only_their_images_are_given(store: Store):
    jobs = await some_jobs(store, 6)
    await started(store, jobs[1], jobs[4])
    assert await store.to_publish(NOW, limit=10, max_running=2) == {
        jobs[1].job_id: [1, 2],
        jobs[4].job_id: [1, 2],
    }
    assert list(await store.to_publish(NOW, limit=10, max_running=1)) == [jobs[1].job_id, jobs[4].job_id]


async def test_the_oldest_pending_jobs_fill_up_those_that_run(store: Store):
    jobs = await some_jobs(store, 6)
    await started(store, jobs[1], jobs[4])
    given = await store.to_publish(NOW, limit=10, max_running=4)
    assert list(given) == [jobs[number].job_id for number in (0, 1, 2, 4)]


async def test_jobs_that_run_go_round_likewise(store: Store):
    jobs = await some_jobs(store, 6)
    await started(store, jobs[1], jobs[3], jobs[4])
    for limit in (4, 10):
        given = await store.to_publish(NOW, limit=limit, max_running=4, after=jobs[3].job_id)
        assert list(given) == [jobs[number].job_id for number in (4, 0, 1, 3)]
    given = await store.to_publish(NOW, limit=3, max_running=4, after=jobs[3].job_id)
    assert list(given) == [jobs[number].job_id for number in (4, 0, 1)]
    given = await store.to_publish(NOW, limit=2, max_running=3, after=jobs[4].job_id)
    assert list(given) == [jobs[number].job_id for number in (1, 3)]


async def test_a_job_that_runs_and_has_nothing_due_holds_its_place_and_is_not_given(store: Store):
    first, second = await some_jobs(store, 2, images=1)
    await started(store, first)
    assert await store.to_publish(NOW, limit=10, max_running=1) == {}
    assert list(await store.to_publish(NOW, limit=10, max_running=2)) == [second.job_id]


async def test_downloads_obey_the_same_bound(store: Store):
    jobs = [await add(store, an_accepted_job([a_url_image(0), a_url_image(1)])) for _ in range(3)]
    await store.update(jobs[1].job_id, lambda job: begin_fetch(job, 0, NOW))
    assert await store.to_fetch(NOW, limit=10, max_running=1) == {jobs[1].job_id: [0, 1]}
    assert list(await store.to_fetch(NOW, limit=10, max_running=2)) == [jobs[0].job_id, jobs[1].job_id]


async def test_images_without_a_result_are_told_from_their_publish_on_the_oldest_first(store: Store):
    jobs = await some_jobs(store, 2)
    for job, index, after_s in ((1, 0, 0), (0, 1, 2), (1, 1, 1), (0, 0, 3)):
        await store.update(jobs[job].job_id, partial(publish, index=index, now=NOW + after_s * SECOND))
    first, second = (job.job_id for job in jobs)
    assert await store.without_result(NOW, limit=10) == {}
    assert await store.without_result(NOW + 3 * SECOND, limit=10) == {second: [0, 1], first: [1]}
    assert await store.without_result(LATER, limit=3) == {second: [0, 1], first: [1]}


async def test_an_image_that_ended_or_is_sent_again_waits_for_no_result(store: Store):
    (job,) = await some_jobs(store, 1)
    for index in range(3):
        await store.update(job.job_id, partial(publish, index=index))
    await store.update(job.job_id, complete)
    await store.update(
        job.job_id, lambda job: attempt_lost(job, attempt_of(job, 1), a_failure(), AttemptPolicy(), NOW)
    )
    assert await store.without_result(LATER, limit=10) == {job.job_id: [2]}
    await store.forget_publishes()
    assert await store.without_result(LATER, limit=10) == {}


async def test_images_of_jobs_accepted_before_a_moment_are_told_until_they_end(store: Store):
    old = await add(store, an_accepted_job([*map(an_image, range(4)), a_url_image(4)], now=NOW))
    young = await add(store, an_accepted_job(images=2, now=NOW + SECOND))
    await store.update(old.job_id, partial(publish, index=1))
    await store.update(old.job_id, partial(complete, index=2))
    assert await store.accepted_before(NOW, limit=10) == {}
    told = await store.accepted_before(NOW + SECOND, limit=10)
    assert {job_id: sorted(indices) for job_id, indices in told.items()} == {old.job_id: [0, 1, 3, 4]}
    told = await store.accepted_before(LATER, limit=10)
    assert {job_id: sorted(indices) for job_id, indices in told.items()} == {
        old.job_id: [0, 1, 3, 4],
        young.job_id: [0, 1],
    }
    told = await store.accepted_before(LATER, limit=2)
    assert sum(map(len, told.values())) == 2
