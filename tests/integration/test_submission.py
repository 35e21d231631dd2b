"""What a run of `gateway submit` tells of its photos when the gateway fails in the middle of it."""

import asyncio
from pathlib import Path

import pytest
from attrs import define, field

from gateway.client import Closed, GatewayClient, Image, Refused, Unreachable
from gateway.shell.output import OutputFolder
from gateway.shell.plan import Failure, find_photos
from gateway.shell.submit import Submission, why_waiting
from tests.servers.scripted_gateway import (
    JOB_ID,
    Close,
    Cut,
    Refuse,
    a_status,
    an_image,
    image_complete,
    job_complete,
    opening,
    scripted_gateway,
)
from tests.servers.stand_in_gateway import StandIn, stand_in_gateway
from tests.servers.web import raw, web_server


@define
class Told:
    """A report that keeps what it is told."""

    done: list[str] = field(factory=list)
    lost: dict[str, str] = field(factory=dict)
    waits: list[str] = field(factory=list)
    failing: asyncio.Event = field(factory=asyncio.Event)
    waiting_for_it: asyncio.Event = field(factory=asyncio.Event)

    def accepted(self, job_id: str, images: int) -> None:
        """Not of interest here."""

    def completed(self, name: Path, image: Image, saved: Path | None) -> None:
        self.done.append(str(name))

    def failed(self, failure: Failure) -> None:
        self.lost[str(failure.name)] = failure.why
        self.failing.set()

    def waiting(self, why: str) -> None:
        self.waits.append(why)
        self.waiting_for_it.set()

    def going_on(self) -> None:
        """Not of interest here."""


@pytest.fixture
def photos(tmp_path: Path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).write_bytes(name.encode())
    return find_photos([folder]).photos


@pytest.fixture
async def stand_in():
    async with stand_in_gateway() as gateway:
        yield gateway


async def test_a_job_that_is_lost_does_not_take_a_copy_that_is_being_saved_with_it(
    stand_in: StandIn, photos, tmp_path
):
    stand_in.frames_per_connection = 2  # the present state and the end of a.jpg
    stand_in.forgets_after_connection = True
    stand_in.may_send_processed.clear()
    told = Told()
    async with asyncio.timeout(30), GatewayClient(stand_in.base_url) as client:
        run = asyncio.create_task(Submission(client, told, OutputFolder(tmp_path / "out")).send([photos]))
        await told.failing.wait()
        stand_in.may_send_processed.set()
        await run
    assert told.done == ["a.jpg"]
    assert sorted(told.lost) == ["b.jpg", "c.jpg"]
    assert "There is no" in told.lost["b.jpg"]


async def test_ends_that_come_with_a_state_are_reported_as_others_and_need_no_question(photos):
    """The gateway's log has begun anew: what ended in between is in no event."""
    told, names = Told(), [photo.name for photo in photos]
    all_ended = [an_image(index) for index in range(3)]
    async with asyncio.timeout(30), scripted_gateway() as gateway, GatewayClient(gateway.base_url) as client:
        gateway.plays(
            [opening("e:0", resumed=True), image_complete("e:1", 1, 1), Cut()],
            [opening("f:5", 3, images=all_ended), job_complete("f:5"), Close(1000)],
        )
        await Submission(client, told).accepted(JOB_ID, names)
    assert told.done == ["b.jpg", "a.jpg", "c.jpg"]
    assert (gateway.positions, gateway.status_queries) == (["0", "e:1"], [])


async def test_ends_that_no_event_tells_are_asked_for_until_they_are_answered(photos):
    told, names = Told(), [photo.name for photo in photos]
    async with asyncio.timeout(30), scripted_gateway() as gateway, GatewayClient(gateway.base_url) as client:
        gateway.plays([opening("e:0", resumed=True), job_complete("e:5"), Close(1000)])
        gateway.status_answers = [Refuse(502), a_status("e:5", 3)]
        await Submission(client, told).accepted(JOB_ID, names)
    assert (told.done, told.lost) == (["a.jpg", "b.jpg", "c.jpg"], {})


async def test_a_gateway_that_is_away_for_a_while_is_asked_again(photos, tmp_path):
    told = Told()
    async with asyncio.timeout(30), GatewayClient(f"unix://{tmp_path}/s") as client:
        run = asyncio.create_task(Submission(client, told).send([photos]))
        await told.waiting_for_it.wait()
        async with stand_in_gateway(tmp_path / "s"):
            await run
    assert sorted(told.done) == ["a.jpg", "b.jpg", "c.jpg"]
    assert set(told.waits) == {"gateway away, waiting"}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Unreachable("the gateway at http://a closed the connection"), "gateway away, waiting"),
        (Closed(1006, "the connection was lost"), "gateway away, waiting"),
        (Refused(503, "Too much to do.", code="busy"), "gateway busy, waiting: Too much to do."),
        (Closed(1013, "it has too much to do"), "gateway busy, waiting: it has too much to do"),
        (
            Refused(502, "a proxy gets no answer", by_proxy=True),
            "gateway away, waiting: a proxy gets no answer",
        ),
    ],
)
def test_why_it_waits_tells_a_busy_gateway_from_one_that_is_away(error, text):
    assert why_waiting(error) == text


async def test_a_photo_that_went_away_fails_alone(stand_in, photos):
    photos[1].path.unlink()
    told = Told()
    async with asyncio.timeout(30), GatewayClient(stand_in.base_url) as client:
        await Submission(client, told).send([photos])
    assert (sorted(told.done), told.lost) == (["a.jpg", "c.jpg"], {"b.jpg": "can't be read"})


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_is_one_batch(stand_in, photos):
    stand_in.lost_answers = 2
    told = Told()
    async with asyncio.timeout(30), GatewayClient(stand_in.base_url) as client:
        await Submission(client, told).send([photos])
    assert sorted(told.done) == ["a.jpg", "b.jpg", "c.jpg"]
    assert (len(stand_in.batches), told.waits) == (1, ["gateway away, waiting"] * 2)


async def test_a_batch_that_is_never_answered_is_told_as_such(photos):
    told = Told()
    async with web_server({"/api/v1/batch": raw(b"")}) as site, GatewayClient(site.url(""), 0.5) as client:
        await Submission(client, told).send([photos])
    assert len(site.requests) > 1
    assert told.lost["a.jpg"].endswith("the batch may have been taken nevertheless")
