"""What questions to the SQLite job store wait for, and which are broken off."""

import asyncio
import gc
import sqlite3
import threading
from contextlib import closing

import pytest

from gateway.adapters.job_store.readers import Readers
from gateway.domain.image_query import ImageQuery
from gateway.errors import Unavailable
from tests.builders import NOW
from tests.integration.job_store.stores import add, held_writer, until_it_waits
from tests.patience import PATIENCE_S


async def test_reads_do_not_wait_for_the_writer(store):
    job = await add(store)
    async with held_writer(store, job):
        async with asyncio.timeout(PATIENCE_S):
            assert await store.get(job.job_id) == job
            assert (await store.page(limit=10)).total == 1
            assert len(await store.to_publish(NOW, limit=10, max_running=1000)) == 1
            assert await store.events(job.job_id, after=0, limit=10)


async def test_other_questions_do_not_wait_for_searches(store, path):
    """Each of these goes through a hundred thousand rows, to count them."""
    job = await add(store)
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"{numbers} INSERT INTO keywords SELECT 'dog', n FROM numbers")  # noqa: S608
    query = ImageQuery(keywords=["dog"])
    searches = [asyncio.ensure_future(store.find_images(query, limit=1)) for _ in range(1000)]
    await until_it_waits(searches[-1])
    assert len(await store.events(job.job_id, after=0, limit=10)) == 1
    assert not searches[500].done()
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)


async def test_a_question_that_nobody_waits_for_any_more_is_broken_off(path, caplog):
    connection, question, begun = a_question_of_minutes(path)  # on the only connection
    readers = Readers([connection])
    asking = asyncio.ensure_future(readers.run(question))
    try:
        assert await asyncio.to_thread(begun.wait, 30)
        asking.cancel()
        async with asyncio.timeout(PATIENCE_S):
            assert await readers.run(lambda reader: reader.execute("SELECT 1").fetchone()) == (1,)
    finally:
        connection.interrupt()
        await readers.close()
    del asking
    gc.collect()
    assert caplog.messages == []


async def test_a_question_that_takes_longer_than_a_close_waits_is_broken_off(path):
    connection, question, begun = a_question_of_minutes(path)
    readers = Readers([connection], close_s=0.1)
    asking = asyncio.ensure_future(readers.run(question))
    assert await asyncio.to_thread(begun.wait, 30)
    await readers.close()
    with pytest.raises(Unavailable):
        await asking


def a_question_of_minutes(path):
    """With its connection, and the event that it sets when it is at work."""
    numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1e9)"
    question = f"{numbers} SELECT count(begun(n)) FROM numbers"  # noqa: S608
    begun = threading.Event()
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.create_function("begun", 1, lambda _: begun.set())
    return connection, lambda reader: reader.execute(question).fetchone(), begun
