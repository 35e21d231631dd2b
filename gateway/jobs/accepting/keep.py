"""One image that was sent along goes into the object store, under a trace_id that was reserved before."""

from attrs import define

from gateway.domain.job import Failure
from gateway.errors import ContentError
from gateway.intake.batch import SentImage
from gateway.intake.bytes_in_flight import BytesInFlight
from gateway.jobs.accepting.draft import Draft, Kept
from gateway.jobs.accepting.reserved import ReservedTraceIds
from gateway.jobs.accepting.undo import GIVEN_UP
from gateway.jobs.originals import Content, Originals


@define(eq=False)
class Keep:
    """What becomes of it, the draft is told: also while others of its batch are under way."""

    _reserved: ReservedTraceIds
    _originals: Originals
    _in_flight: BytesInFlight

    async def __call__(self, sent: SentImage, draft: Draft) -> None:
        """Raises NoRoom, Unavailable, what the body raises. Bad content is no error: it fails that image alone."""
        trace_id = await self._reserved.take()
        draft.used.append(trace_id)
        with self._in_flight.share(self._originals.put_bytes) as share:
            content = Content(share.passing(sent.body))
            draft.kept[sent.index] = await self._stored(trace_id, content, draft)
        identity = await content.identity() if draft.may_be_repeated else content.sha256
        draft.identities[sent.index] = identity

    async def _stored(self, trace_id: str, content: Content, draft: Draft) -> Kept:
        try:
            return Kept(trace_id, original=await self._originals.store(trace_id, content))
        except ContentError as error:
            return Kept(trace_id, failure=Failure(error.code, error.text))
        except GIVEN_UP:
            draft.gave_up_a_put = True
            raise


async def recognise(sent: SentImage, draft: Draft) -> None:
    """Of a repeat: all of it is read, nothing is kept, and nothing judged that was accepted before."""
    draft.identities[sent.index] = await Content(sent.body).identity()
