"""Leases of one process: it alone has the file (`database.py`), and what it held ends with it."""

from datetime import datetime

from attrs import define, field, frozen


@frozen
class _Lease:
    holder: str
    until: datetime


@define
class ProcessLeases:
    """Fulfils Leases, for the one loop of the process."""

    _held: dict[str, _Lease] = field(factory=dict)

    async def acquire_lease(self, name: str, *, holder: str, now: datetime, until: datetime) -> bool:
        lease = self._held.get(name)
        if lease is not None and lease.holder != holder and lease.until > now:
            return False
        self._held[name] = _Lease(holder, until)
        return True

    async def release_lease(self, name: str, *, holder: str) -> None:
        lease = self._held.get(name)
        if lease is not None and lease.holder == holder:
            del self._held[name]
