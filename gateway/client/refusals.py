"""What an answer of status 300 or more means: a gateway says it in a problem (RFC 9457), a proxy does not."""

from collections.abc import Mapping
from typing import Any, Final

from yarl import URL

from gateway.client.address import Address
from gateway.client.errors import Refused

NO_SUCH_DOOR: Final = frozenset({404, 405, 501})
"""What other web servers say to our paths. A gateway says it too, but as a problem in JSON."""

_BY_PROXY: Final[Mapping[int, str]] = {
    401: "asks for credentials; they go into the address: {form}",
    403: "does not let this pass",
    407: "asks for credentials of its own, which this client has not",
    413: "does not take so much at once",
    429: "takes no more requests for now",
    502: "gets no answer from it",
    503: "passes nothing on for now",
    504: "gets no answer from it in time",
}
_WRONG_CREDENTIALS: Final = "does not take the credentials in the address"


def refusal(status: int, told: Any, headers: Mapping[str, str], address: Address) -> Refused | None:
    """The error that tells of it; `told` is what it says as JSON, if it is JSON. None: another server says it."""
    if isinstance(told, dict):
        return _of_gateway(status, told, headers)
    if status in NO_SUCH_DOOR:
        return None
    text = f"a proxy before the gateway at {address.shown} {_says(status, headers, address)} (HTTP status {status})"
    return Refused(status, text, retry_after_s=_seconds(headers.get("Retry-After", "")), by_proxy=True)


def _of_gateway(status: int, problem: Mapping[str, Any], headers: Mapping[str, str]) -> Refused:
    text = problem.get("detail") or problem.get("error") or problem.get("title") or f"HTTP status {status}"
    return Refused(
        status,
        str(text),
        code=str(problem.get("code", "")),
        retry_after_s=_seconds(headers.get("Retry-After", "")),
    )


def _says(status: int, headers: Mapping[str, str], address: Address) -> str:
    if status < 400 and (elsewhere := _origin(headers.get("Location", ""))):
        return f"sends this on to {elsewhere}, which the address has to name"
    if status == 401 and address.has_credentials:
        return _WRONG_CREDENTIALS
    scheme, _, host = address.shown.partition("://")
    return _BY_PROXY.get(status, "answers in its place").format(form=f"{scheme}://NAME:PASSWORD@{host}")


def _origin(location: str) -> str:
    """Where it leads, and no more of it; empty, where that is no other server."""
    try:
        return str(URL(location).origin())
    except ValueError:
        return ""


def _seconds(retry_after: str) -> float | None:
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
