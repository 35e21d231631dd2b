"""`gateway dead-letters` and `gateway requeue`: what an analyzer rejected, for people and for programs."""

import json

from tests.builders import a_dead_letter
from tests.commands import Ended, run
from tests.free_ports import free_port
from tests.servers.quiet_gateway import QuietGateway


async def gateway(quiet: QuietGateway, command: str, *args: str) -> Ended:
    return await run(command, "--gateway", f"http://127.0.0.1:{quiet.port}", *args)


async def kept(quiet: QuietGateway, *, with_job: bool = True, reason: str = "It is broken.") -> str:
    """The id of a letter, of an image that is open or of a job that is gone."""
    letter = a_dead_letter(await quiet.accept(images=1) if with_job else None, reason=reason)
    await quiet.context.dead_letters.keep_letter(letter)
    return letter.dead_letter_id


async def test_they_are_listed_the_newest_first(quiet: QuietGateway) -> None:
    first, second = await kept(quiet), await kept(quiet, with_job=False, reason="Two\nlines.")
    jobs = [
        (await quiet.context.dead_letters.letter(dead_letter_id)).job_id for dead_letter_id in (first, second)
    ]
    ended = await gateway(quiet, "dead-letters")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [
        f"{second}\t{jobs[1]}\tanalysis_failed\tTwo?lines.",
        f"{first}\t{jobs[0]}/images/0\tanalysis_failed\tIt is broken.",
    ]


async def test_for_programs_all_that_is_known_is_printed(quiet: QuietGateway) -> None:
    await kept(quiet)
    await kept(quiet, with_job=False)
    async with quiet.http.get("/api/v1/dead-letters") as answer:
        shown = (await answer.json())["dead_letters"]
    ended = await gateway(quiet, "dead-letters", "--json")
    assert [json.loads(line) for line in ended.lines] == shown


async def test_without_any_nothing_is_printed_where_a_program_reads(quiet: QuietGateway) -> None:
    ended = await gateway(quiet, "dead-letters")
    assert (ended.code, ended.out, ended.err) == (0, "", "no dead letters\n")


async def test_those_that_are_named_are_sent_again(quiet: QuietGateway) -> None:
    letter = await kept(quiet)
    job_id = (await quiet.context.dead_letters.letter(letter)).job_id
    ended = await gateway(quiet, "requeue", letter)
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [f"{letter}: attempt 1 of {job_id}/images/0"]
    assert (await gateway(quiet, "dead-letters")).out == ""


async def test_one_that_can_not_be_sent_again_stops_no_other(quiet: QuietGateway) -> None:
    gone, letter = await kept(quiet, with_job=False), await kept(quiet)
    ended = await gateway(quiet, "requeue", gone, "nobody", letter)
    assert ended.code == 1
    assert ended.err.splitlines() == [
        f"{gone}: The job of this dead letter is gone, and its images with it.",
        "nobody: There is no such dead letter.",
    ]
    assert [line.partition(":")[0] for line in ended.lines] == [letter]


async def test_where_no_gateway_is_the_error_tells_how_to_name_another() -> None:
    for command in (("dead-letters",), ("requeue", "x")):
        ended = await run(*command, "--gateway", f"http://127.0.0.1:{free_port()}")
        assert ended.code == 2
        assert "--gateway URL or GATEWAY_URL names another address" in ended.err
