import asyncio
import time

from gateway.background import Background
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.pulse import Pulse
from gateway.telemetry.settings import MetricsSettings
from tests.patience import PATIENCE_S
from tests.recording_agent import RecordingAgent


async def test_a_loop_that_is_held_up_lags_by_as_much() -> None:
    metrics = Metrics(MetricsSettings())
    beat = asyncio.create_task(Pulse(metrics, beat_s=0.01).run_once())
    await asyncio.sleep(0)
    time.sleep(0.2)  # as nothing of ours may do
    await beat
    lag_s = metrics.instruments.registry.get_sample_value("gateway_event_loop_lag_seconds_sum")
    assert lag_s is not None
    assert lag_s >= 0.19


async def test_the_agent_is_reminded_of_gauges_that_stay_as_they_are() -> None:
    metrics, agent = Metrics(MetricsSettings()), RecordingAgent()
    metrics.instruments.agent = agent
    metrics.subscribers.connections.set(3)
    async with Background().running(Pulse(metrics, beat_s=0.001)), asyncio.timeout(PATIENCE_S):
        while agent.told.count(("gauge", "websocket_connections", 3, [])) < 3:
            await asyncio.sleep(0.005)


async def test_readings_are_told_at_each_beat() -> None:
    metrics = Metrics(MetricsSettings())
    held = iter((7, 8))
    pulse = Pulse(metrics, {metrics.intake.held_bytes: lambda: next(held)}, beat_s=0)
    for value in (7, 8):
        await pulse.run_once()
        assert metrics.instruments.registry.get_sample_value("gateway_intake_held_bytes") == value
