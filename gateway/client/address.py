"""Where a gateway is: what is asked there, and what may be shown of it."""

import re
from typing import Final, Self

from attrs import field, frozen
from yarl import URL

_FORM: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?|unix:(//)?/.+")
_SOCKET: Final = re.compile(r"unix:(//)?")


@frozen
class Address:
    """Of a gateway that is reached by TCP, or by a Unix socket of that path."""

    shown: str
    """Without user and password, for it ends in messages and logs."""
    has_credentials: bool
    socket_path: str | None
    _base: URL = field(repr=False)

    @classmethod
    def of(cls, base_url: str) -> Self:
        """Raises ValueError, which does not repeat what it was given: there may be a password in it."""
        if not _FORM.fullmatch(base_url):
            raise ValueError("base_url: none of http://..., https://..., unix:///path/of/socket")
        if base_url.startswith("unix:"):
            return cls(base_url, False, _SOCKET.sub("", base_url, count=1), URL("http://localhost"))
        try:
            base = URL(base_url.rstrip("/"))
        except ValueError:
            raise ValueError(
                "base_url: its port is none, or its name or password has one of / ? # : @, "
                "which are written %2F %3F %23 %3A %40 there"
            ) from None
        shown = re.sub(r"^(https?://)[^/]*@", r"\1", base_url)
        return cls(shown, bool(base.raw_user or base.raw_password), None, base)

    def url(self, path: str) -> URL:
        """Of a path below `/api/v1/`, or of one that begins with a slash."""
        return URL(str(self._base) + (path if path.startswith("/") else f"/api/v1/{path}"))
