"""Images of a job in the order of their ends, as JSON lines."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from attrs import define, field

from gateway.client.answers import Image, read_image
from gateway.client.coming_back import ComingBack
from gateway.client.http import Http, parsed
from gateway.client.lines import lines


@define(eq=False)
class Results:
    """A job's ended images over one answer after another, each of which goes on where the last one broke off."""

    _http: Http
    _job_id: str
    _position: str | None
    _follow: bool = field(kw_only=True)
    _told: set[int] = field(init=False, factory=set)

    async def connect(self, coming_back: ComingBack) -> AsyncGenerator[Image, None]:
        """Those of one answer that are new, until its end."""
        query = {"after": self._position} if self._position else {}
        query |= {"follow": "true"} if self._follow else {}
        silence_s = self._http.silence_s if self._follow else None
        path = f"batch/{self._job_id}/results"
        async with (
            self._http.answer("GET", path, params=query, silence_s=silence_s) as answer,
            aclosing(lines(answer.content.iter_any())) as told,
        ):
            coming_back.answered()
            async for line in told:
                coming_back.answered()
                if not line:
                    continue
                image = self._http.read(read_image, parsed(line))
                self._position = image.id or self._position
                if image.index not in self._told:
                    self._told.add(image.index)
                    coming_back.went_on()
                    yield image
