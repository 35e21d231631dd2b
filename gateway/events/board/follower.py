"""One subscription to all jobs: where it stands among the changes, and whether it is written to with the others."""

from collections.abc import Callable
from typing import Final

from attrs import define, field

from gateway.events.board.board import Board, BoardPiece
from gateway.events.follower import End, piece_or_end
from gateway.events.peer import Peer

_NOWHERE: Final = -1
"""A position after which nothing has a place, so that the list is to be told."""


@define(eq=False, repr=False)
class BoardFollower:
    """Writes the news of all jobs to a peer, from `start` until `stop`, or until `on_end` is called, once.

    `after` is the position of the last change that was seen.
    """

    _board: Board
    _peer: Peer
    _on_end: Callable[[End], None]
    _after: str | None = None
    position: int = field(init=False, default=_NOWHERE)
    _has_begun: bool = field(init=False, default=False)
    _follows: bool = field(init=False, default=False)

    def start(self) -> None:
        """Have the opening written, and then every change."""
        self._follows = True
        self._board.enter(self)
        self._peer.queue(self)

    def stop(self) -> None:
        """Nothing is written any more; may be called again."""
        if self._follows:
            self._follows, self.position = False, _NOWHERE
            self._board.exit(self)
            self._peer.forget(self)

    def take(self, flush: BoardPiece) -> None:
        """For the board: write what is told to all, if all before it was written and there is room."""
        if self.position == flush.before and self._peer.write_now(flush.data, len(flush.messages)):
            self.position = flush.last
        elif self._follows and self.position < flush.last:
            self._board.leave(self)
            self._peer.queue(self)

    async def catch_up(self) -> bool:
        """Write the opening, or the next changes; see Queued."""
        return await piece_or_end(self._next_piece, self._end, job_id="*")

    async def _next_piece(self) -> bool:
        if not self._follows:
            return False
        if not self._has_begun:
            self._has_begun = True
            self._go_on()
        if self._board.has_all_after(self.position):
            await self._write_changes()
        else:
            await self._write_list()
        return self._is_behind()

    def _go_on(self) -> None:
        """Where it stopped, if it can."""
        seq = self._board.seq_of(self._after)
        if seq is not None:
            self._peer.write(self._board.going_on(seq))
            self.position = seq

    async def _write_list(self) -> None:
        opening = await self._board.opening()
        if self._follows:
            self._peer.write(opening.message)
            self.position = opening.seq

    async def _write_changes(self) -> None:
        piece = await self._board.piece(self.position)
        if not self._follows:
            return
        if piece.messages:
            self._peer.write(piece.data, len(piece.messages))
        self.position = max(self.position, piece.last)

    def _is_behind(self) -> bool:
        """Whether there is more to be told; if not, the follower keeps up from now on."""
        if not self._follows:
            return False
        if self.position < self._board.told:
            return True
        self._board.join(self)
        return False

    def _end(self, end: End) -> None:
        if self._follows:
            self.stop()
            self._on_end(end)
