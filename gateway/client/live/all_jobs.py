"""Follows all jobs of a gateway over one WebSocket: which there are, and how they change."""

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

from attrs import define, field

from gateway.client.answers import JobsNews, read_job_changed, read_job_deleted, read_job_list
from gateway.client.coming_back import ComingBack
from gateway.client.http import Http
from gateway.client.live.subscriptions import ALL_JOBS, refused, subscriptions
from gateway.client.live.told import is_earlier
from gateway.client.websocket import Frame

_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], JobsNews]]] = {
    "jobs": read_job_list,
    "job_changed": read_job_changed,
    "job_deleted": read_job_deleted,
}


@define(eq=False)
class AllJobs:
    """The jobs' news over one connection after another; `position` is the id of the last one."""

    _http: Http
    _position: str | None = field(init=False, default=None)

    async def connect(self, coming_back: ComingBack) -> AsyncGenerator[JobsNews, None]:
        """What one connection tells that is new. It never ends by itself."""
        async with subscriptions(self._http) as door:
            await door.subscribe(ALL_JOBS, self._position)
            while True:
                frame = await door.frame()
                coming_back.answered()
                news = self._news(frame) if frame else None
                if news is not None:
                    coming_back.went_on()
                    yield news

    def _news(self, frame: Frame) -> JobsNews | None:
        kind = str(frame.get("type"))
        if kind == "error":
            raise refused(frame)
        if kind not in _READERS or (kind == "jobs" and frame.get("resumed")):
            return None
        news = self._http.read(_READERS[kind], frame)
        if kind != "jobs" and self._is_known(news):
            return None
        self._position = news.id
        return news

    def _is_known(self, news: JobsNews) -> bool:
        position = self._position
        return position is not None and (news.id == position or is_earlier(news.id, position))
