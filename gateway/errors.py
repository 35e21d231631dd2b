"""The few kinds of error that the whole service speaks.

Ground floor: imports nothing of ours and knows no HTTP. A kind says what a caller can do about it; leaves
stand beside the code that raises them. `api/problems.py` is the one place that maps kinds to status codes.

    GatewayError
    ├── BadInput          the request has a wrong shape                 ├── Unprocessable   content refused as a whole
    ├── NotFound          no such thing                                 ├── TooSlow         the sender took too long
    ├── Conflict          not now, or not in this state                 ├── Unavailable     a needed part is down
    ├── TooLarge          over a bound                                  ├── NoRoom          the disk is full
    ├── UnsupportedMedia  a media type that is not taken                └── RangeRefused    no such bytes
    ├── TooMany           more at once than a bound allows
    └── ContentError      one image's content is bad: fails that image alone
"""

from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen


@frozen
class Fault:
    """One thing that is wrong in a request: where (JSON pointer, RFC 6901), which kind, and what."""

    pointer: str
    code: str
    detail: str


class GatewayError(Exception):
    """Something went wrong in a way that we foresaw.

    `text` is for the client and holds nothing internal; `detail` is for the log alone; `code` is a stable word;
    `faults` are all things that are wrong, where they have a place in the request.
    """

    default_code: ClassVar[str] = "internal"

    def __init__(
        self, text: str, *, code: str | None = None, detail: str = "", faults: Sequence[Fault] = ()
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = code or self.default_code
        self.detail = detail
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return f"{self.text} ({self.detail})" if self.detail else self.text


class BadInput(GatewayError):
    """The request has a wrong shape; nothing of it is kept."""

    default_code = "bad_input"


class Unprocessable(BadInput):
    """The shape is right, but the content was refused as a whole (`?strict=true`)."""

    default_code = "content_refused"


class NotFound(GatewayError):
    """There is no such thing, or no longer."""

    default_code = "not_found"


class Conflict(GatewayError):
    """Not in the present state; the same request may succeed later, where that is known after `retry_after_s`."""

    default_code = "conflict"

    def __init__(
        self,
        text: str,
        *,
        code: str | None = None,
        detail: str = "",
        faults: Sequence[Fault] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(text, code=code, detail=detail, faults=faults)
        self.retry_after_s = retry_after_s


class TooLarge(GatewayError):
    """More than a bound allows; never cut to fit."""

    default_code = "too_large"


class UnsupportedMedia(GatewayError):
    """A media type or encoding that is not taken."""

    default_code = "unsupported_media_type"


class RangeRefused(GatewayError):
    """The asked range lies outside the object, whose size is `size` bytes."""

    default_code = "range_not_satisfiable"

    def __init__(self, text: str, *, size: int) -> None:
        super().__init__(text)
        self.size = size


class TooSlow(GatewayError):
    """The sender took longer than it may."""

    default_code = "too_slow"


class Unavailable(GatewayError):
    """A needed part is down or stopping; the same request may succeed after `retry_after_s` seconds."""

    default_code = "unavailable"

    def __init__(
        self, text: str, *, code: str | None = None, detail: str = "", retry_after_s: int = 5
    ) -> None:
        super().__init__(text, code=code, detail=detail)
        self.retry_after_s = retry_after_s


class TooMany(GatewayError):
    """More at once than a bound allows; the same request may succeed after `retry_after_s` seconds."""

    default_code = "too_many"

    def __init__(
        self, text: str, *, code: str | None = None, detail: str = "", retry_after_s: int = 10
    ) -> None:
        super().__init__(text, code=code, detail=detail)
        self.retry_after_s = retry_after_s


class NoRoom(GatewayError):
    """No room is left to store what was sent."""

    default_code = "no_room"


class ContentError(GatewayError):
    """The content of one image is bad. It fails that image; the others of its batch go on.

    `code` is one of the contract's words: too_large, not_an_image, unsupported_type, damaged, bad_base64,
    too_many_pixels, trailing_data, download_failed, download_refused, not_found, storage_failed, ...
    """

    default_code = "not_an_image"
