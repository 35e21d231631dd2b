"""Dead letters of ours by HTTP: list them, send an image again, delete what was dealt with."""

from typing import Final

from aiohttp import web
from attrs import define

from gateway.api.answers import json_answer
from gateway.api.created import created_answer
from gateway.api.paging import cursor_of, limit_of
from gateway.api.parameters import refuse_slips, refuse_unknown
from gateway.api.paths import PREFIX
from gateway.api.views import dead_letter_page_fields, sent_again_fields, to_json
from gateway.context import AppContext
from gateway.domain.job import Job
from gateway.domain.receipt import receipt_of
from gateway.errors import Unavailable
from gateway.jobs.accepting.idempotency import Accepted

_PATH: Final = f"{PREFIX}/dead-letters"
_ONE: Final = f"{_PATH}/{{id}}"


@define(eq=False)
class DeadLetters:
    """The routes about dead letters."""

    _context: AppContext

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(_PATH, self.page),
            web.delete(_PATH, self.delete_all),
            web.delete(_ONE, self.delete),
            web.post(f"{_ONE}/requeue", self.requeue),
        ]

    async def page(self, request: web.Request) -> web.Response:
        refuse_slips(request, "limit", "cursor")
        page = await self._context.dead_letters.letters(
            limit=limit_of(request),
            cursor=cursor_of(request),
        )
        return json_answer(to_json(dead_letter_page_fields(page)))

    async def requeue(self, request: web.Request) -> web.Response:
        if self._context.background.stopping.is_set():
            raise Unavailable("The gateway is stopping.", code="stopping")
        again = await self._context.requeue(_id_of(request))
        if isinstance(again, Job):
            return created_answer(Accepted(receipt_of(again)))
        return json_answer(to_json(sent_again_fields(again)), status=202)

    async def delete(self, request: web.Request) -> web.Response:
        await self._context.dead_letters.delete_letter(_id_of(request))
        return web.Response(status=204)

    async def delete_all(self, request: web.Request) -> web.Response:
        refuse_unknown(request)
        return json_answer(to_json({"deleted": await self._context.dead_letters.delete_letters()}))


def _id_of(request: web.Request) -> str:
    return request.match_info["id"]
