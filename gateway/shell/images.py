"""Lists images of all jobs that a gateway keeps, a line each, as its pages come."""

from collections.abc import Callable, Sequence
from typing import Any

import click
import orjson
from attrs import Attribute, asdict

from gateway.client import GatewayClient, Image
from gateway.shell.report import printable


async def list_images(
    url: str, *, keywords: Sequence[str], status: str | None, line: Callable[[Image], str]
) -> None:
    """Those with all of the keywords, and with that status; newest first. Raises ClientError."""
    found = 0
    async with GatewayClient(url) as gateway:
        async for image in gateway.images(keyword=keywords, status=status):
            click.echo(line(image))
            found += 1
    if not found:
        click.echo("no such images", err=True)


def columns(image: Image) -> str:
    """File name, place and words, parted by tabs; the place is what follows `batch/` in the API's addresses."""
    place = f"{image.job_id}/images/{image.index}"
    return "\t".join(map(printable, (image.original_filename, place, _words(image))))


def json_line(image: Image) -> str:
    """The fields of the API; those with no value are left out."""
    return orjson.dumps(asdict(image, filter=_has_value), option=orjson.OPT_UTC_Z).decode()


def _words(image: Image) -> str:
    """What it was tagged with; else why it failed, or where it stands."""
    if image.metadata:
        return ", ".join(image.metadata.keywords)
    return image.error or image.status


def _has_value(field: "Attribute[Any]", value: Any) -> bool:
    """The words of an image are all there, or none; only their writer may be unknown."""
    return value is not None and (value != "" or field.name in ("title", "description"))
