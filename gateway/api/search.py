"""Images by HTTP over all jobs that are kept: found by their keywords and by where they stand."""

from aiohttp import web
from attrs import define

from gateway.api.answers import json_answer
from gateway.api.paging import cursor_of, limit_of
from gateway.api.parameters import IMAGE_QUERY, image_query, refuse_unknown
from gateway.api.paths import PREFIX
from gateway.api.views import found_page_fields, to_json
from gateway.context import AppContext


@define(eq=False)
class Search:
    """The route about images of all jobs."""

    _context: AppContext

    def routes(self) -> list[web.RouteDef]:
        return [web.get(f"{PREFIX}/images", self.images)]

    async def images(self, request: web.Request) -> web.Response:
        refuse_unknown(request, *IMAGE_QUERY, "limit", "cursor")
        page = await self._context.image_search.find_images(
            image_query(request),
            limit=limit_of(request),
            cursor=cursor_of(request),
        )
        return json_answer(to_json(found_page_fields(page)))
