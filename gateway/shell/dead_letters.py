"""Lists the dead letters of a gateway, a line each, and has their images sent again."""

from collections.abc import Callable, Sequence

import click
import orjson
from attrs import asdict

from gateway.client import DeadLetter, GatewayClient, Refused, SentAgain, Submitted
from gateway.shell.report import printable


async def list_dead_letters(url: str, line: Callable[[DeadLetter], str]) -> None:
    """Newest first. Raises ClientError."""
    found = 0
    async with GatewayClient(url) as gateway:
        async for letter in gateway.dead_letters():
            click.echo(line(letter))
            found += 1
    if not found:
        click.echo("no dead letters", err=True)


def columns(letter: DeadLetter) -> str:
    """Id, place, code and reason, parted by tabs; the place is what follows `batch/` in the API's addresses."""
    place = letter.job_id if letter.index is None else f"{letter.job_id}/images/{letter.index}"
    return "\t".join(map(printable, (letter.id, place, letter.code, letter.reason)))


def json_line(letter: DeadLetter) -> str:
    """The fields of the API; those with no value are left out."""
    fields = asdict(letter, filter=lambda _, value: value is not None)
    return orjson.dumps(fields, option=orjson.OPT_UTC_Z).decode()


async def requeue(url: str, ids: Sequence[str]) -> bool:
    """Whether all of them could be; a line each, of one that was refused on standard error. Raises ClientError."""
    refused = 0
    async with GatewayClient(url) as gateway:
        await gateway.check()
        for dead_letter_id in ids:
            try:
                again = await gateway.requeue(dead_letter_id)
            except Refused as error:
                click.echo(f"{dead_letter_id}: {error}", err=True)
                refused += 1
                continue
            click.echo(f"{dead_letter_id}: {_told(again)}")
    return not refused


def _told(again: SentAgain | Submitted) -> str:
    if isinstance(again, SentAgain):
        return f"attempt {again.attempt} of {again.job_id}/images/{again.index}"
    return f"tried again as job {again.job_id}"
