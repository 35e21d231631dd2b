"""One image that was sent along goes into the object store, under a trace_id that was reserved before.

Of a request that is repeated, images are only recognised.
"""

from attrs import define

from gateway.domain.job import Failure
from gateway.errors import ContentError
from gateway.intake.batch import IncomingBatch, SentImage
from gateway.intake.bytes_in_flight import Share
from gateway.jobs.accepting.beginning import Beginning
from gateway.jobs.accepting.draft import Draft, Kept
from gateway.jobs.accepting.reserved import ReservedTraceIds
from gateway.jobs.accepting.undo import GIVEN_UP
from gateway.jobs.originals import Content, Originals


@define(eq=False)
class Keep:
    """What becomes of it, the draft is told: also while others of its batch are under way."""

    _reserved: ReservedTraceIds
    _originals: Originals

    async def __call__(self, draft: Draft, index: int, image: Beginning, share: Share) -> None:
        """Raises NoRoom, Unavailable, what the body raises. Bad content is no error: it fails that image alone."""
        trace_id = await self._reserved.take()
        draft.used.append(trace_id)
        content = Content(image.whole())
        draft.kept[index] = await self._stored(trace_id, content, draft)
        share.give_back()  # of bad content, what is left may yet be read
        draft.identities[index] = await content.identity() if draft.may_be_repeated else content.sha256

    async def _stored(self, trace_id: str, content: Content, draft: Draft) -> Kept:
        try:
            return Kept(trace_id, original=await self._originals.store(trace_id, content))
        except ContentError as error:
            return Kept(trace_id, failure=Failure(error.code, error.text))
        except GIVEN_UP:
            draft.gave_up_a_put = True
            raise


async def recognise(draft: Draft, repeat: IncomingBatch) -> None:
    """All of it is read, nothing is kept, and nothing judged that was accepted before. Raises what the batch raises."""
    async for member in repeat:
        if isinstance(member, SentImage):
            draft.identities[member.index] = await Content(member.body).identity()
        else:
            draft.outline = member
