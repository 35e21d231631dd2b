"""What can go wrong between a client and its gateway."""


class ClientError(Exception):
    """The call did not succeed; the text is for people."""


class Unreachable(ClientError):
    """No gateway answered, or it stopped in mid-answer. What was asked for may have been done or not.

    Also where something else answers in its place, and it has answered before.
    """


class NotConnected(Unreachable):
    """No connection was made, so nothing was asked for: it is safe to try again."""


class NoGateway(ClientError):
    """Something answers at that address, and it is no gateway, nor has one ever answered there."""


class Closed(ClientError):
    """A WebSocket was closed before all was said; `code` is its close code, 1006 where there was none."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Refused(ClientError):
    """The answer was no: its HTTP status, the gateway's stable word for it, how long to wait before another try.

    `by_proxy`: it is not the gateway's own answer but that of something before it, so there is no such word.
    """

    def __init__(
        self,
        status: int,
        text: str,
        *,
        code: str = "",
        retry_after_s: float | None = None,
        by_proxy: bool = False,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.by_proxy = by_proxy
