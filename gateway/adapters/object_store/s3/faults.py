"""What S3 and the way to it can answer, as our errors; and our deadline round every call.

The client library has no deadline for the body of a PUT and none for the wait for a connection of its pool.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError

from gateway.cancellation import times_cancelled
from gateway.errors import GatewayError, NoRoom, Unavailable

T = TypeVar("T")

_NO_ROOM = ("XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "ServiceQuotaExceeded")
_NOT_THERE = ("NoSuchKey", "NoSuchUpload", "404", "NotFound")
_DOWN = (408, 429)
DOWN_CODES = ("RequestTimeout", "SlowDown")
"""S3 may say the first, that a body came too slowly, with status 400."""


class NotThere(Exception):
    """S3 has no such object, upload or bucket; the answer to a HEAD doesn't say which. Never leaves this package."""


class BucketMissing(Unavailable):
    """One of the buckets is not there."""


class Refused(Unavailable):
    """S3 does not do what was asked: an error of the configuration, or something that this S3 does not know."""

    def __init__(self, detail: str, code: str) -> None:
        super().__init__("The object storage refuses the gateway.", detail=detail)
        self.s3_code = code


async def asked(call: Awaitable[T], what: str, timeout_s: float) -> T:
    """The answer to a call of the client library. Raises our errors, NotThere, and CancelledError if it is ours.

    `what` says for the log what was asked, of which object.
    """
    cancelled_before = times_cancelled()
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except asyncio.CancelledError as error:
        if times_cancelled() > cancelled_before:
            raise
        raise down(what, "the connection ended") from error  # aiohttp says so by a CancelledError of its own
    except TimeoutError as error:
        raise down(what, str(error) or f"no answer in {timeout_s:g} s") from error
    except ClientError as error:
        raise _answered(what, error) from error
    except (BotoCoreError, aiohttp.ClientError, OSError) as error:
        raise down(what, _in_one_line(error)) from error


def down(what: str, reason: str) -> Unavailable:
    return Unavailable("The object storage does not answer.", detail=f"{what}: {reason}")


def code_of(error: ClientError) -> str:
    """Of an answer; empty where it has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _answered(what: str, error: ClientError) -> GatewayError | NotThere:
    """By the answer's code, which a HEAD has not, and its status."""
    answer: dict[str, Any] = error.response
    code = code_of(error)
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    detail = f"{what}: {_in_one_line(error)}"
    if code in _NOT_THERE:
        return NotThere(detail)
    if code in _NO_ROOM or status == 507:
        return NoRoom("No room is left in the object storage.", detail=detail)
    if code == "NoSuchBucket":
        return BucketMissing("The object storage lacks a bucket.", detail=detail)
    if code in DOWN_CODES or status in _DOWN or (status >= 500 and status != 501):
        return down(what, _in_one_line(error))
    if status in (401, 403):
        detail += "; look at access_key, secret_key, region, their rights, and the clock"
    return Refused(detail, code or str(status))


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
