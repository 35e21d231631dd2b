"""What a gateway warns of as it is put together: by readyz, and in its log."""

import asyncio
from pathlib import Path

from attrs import evolve
from structlog.testing import capture_logs

from gateway.adapters.broker.settings import BrokerSettings
from gateway.analyzer.vision.settings import VisionSettings
from gateway.app import assembled
from gateway.jobs.dead_letters.sweeper import SWEEP_LIMIT
from gateway.jobs.settings import JobsSettings
from gateway.ports.broker import Queue
from gateway.settings import Settings
from tests.patience import PATIENCE_S


async def test_a_warning_names_the_queue_as_the_operator_called_it(tmp_path: Path):
    settings = evolve(
        Settings(),
        data_dir=tmp_path,
        broker=BrokerSettings(image_processed_queue="batch.results"),
        jobs=JobsSettings(watch_every_s=0.02),
    )
    async with assembled(settings) as context, context.broker.subscribe(Queue.IMAGE_PROCESSED, prefetch=1):
        async with asyncio.timeout(PATIENCE_S):
            while not (lines := context.warnings()):
                await asyncio.sleep(0.01)
    assert lines[0].startswith("batch.results has 2 consumers")


async def test_settings_that_do_not_fit_together_are_told_once_at_the_start(tmp_path: Path):
    settings = evolve(Settings(), data_dir=tmp_path, vision=VisionSettings(url="http://localhost:11434/v1"))
    with capture_logs() as lines:
        async with assembled(settings):
            pass
    (told,) = (line for line in lines if line["event"] == "settings do not fit together")
    assert told["reason"].startswith("vision.url is set, and no model is asked")


async def test_more_of_others_dead_letters_than_are_looked_at_are_warned_of(tmp_path: Path):
    settings = evolve(
        Settings(),
        data_dir=tmp_path,
        broker=BrokerSettings(dead_letter_queue="batch.dead"),
        jobs=JobsSettings(poll_s=0.02),
    )
    async with assembled(settings) as context:
        for _ in range(SWEEP_LIMIT + 1):
            await context.broker.publish(Queue.DEAD_LETTER, b"theirs")
        async with asyncio.timeout(PATIENCE_S):
            while not (lines := context.warnings()):
                await asyncio.sleep(0.01)
    assert lines[0].startswith("batch.dead holds 1001 messages, and only the first 1000 are looked at")
