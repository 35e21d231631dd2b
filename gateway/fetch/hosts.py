"""How many downloads may run at once, in all and from one host, and which hosts are left alone for a while. Pure.

A host is a name or an address, whatever its port. Images are counted at the one in the URL that was sent, wherever
redirects lead: so that one slow site can't take all places, and one that asks for a pause gets it for all its images.
"""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from attrs import define, field

from gateway.fetch.domains import normalised
from gateway.fetch.urls import parsed


def host_of(url: str) -> str:
    """As the wire spells it; empty for a URL that can't be read, which nobody is asked for."""
    try:
        return _normalised(parsed(url).raw_host or "")
    except ValueError:
        return ""


@lru_cache(maxsize=1024)
def _normalised(host: str) -> str:
    return normalised(host)


def _counted(hosts: Iterable[str]) -> Counter[str]:
    return Counter(hosts)


@define
class Places:
    """What is free beside downloads that run already; `running` are their hosts."""

    _in_all: int
    _per_host: int
    _taken: Counter[str] = field(alias="running", converter=_counted)

    def is_any_left(self) -> bool:
        return self._taken.total() < self._in_all

    def is_left_for(self, host: str) -> bool:
        return self.is_any_left() and self._taken[host] < self._per_host

    def take(self, host: str) -> None:
        self._taken[host] += 1


@define
class Rests:
    """Hosts that asked for a pause. Times are seconds of any one clock that does not go back."""

    _until: dict[str, float] = field(factory=dict)

    def begin(self, host: str, *, now: float, pause_s: float) -> None:
        """No shorter than a rest that has begun already."""
        self._until = {other: until for other, until in self._until.items() if until > now}
        self._until[host] = max(now + pause_s, self._until.get(host, now))

    def is_over(self, host: str, *, now: float) -> bool:
        return self._until.get(host, now) <= now
