"""How many of the words that are written are right, and how many pictures get one."""

import asyncio
from collections.abc import Iterable, Sequence

from attrs import frozen

from gateway.analyzer.local.sight.classify import MOST_WORDS, SeenWord, probabilities_of
from gateway.analyzer.local.sight.network import Floats
from gateway.analyzer.local.sight.vocabulary import words_of
from gateway.analyzer.local.view import view_of
from gateway.images.inspect import MAX_PIXELS
from gateway.processes import HelperProcesses
from tests.benchmarks.tagging.pictures import Picture

PICTURE_S = 60.0


@frozen
class Seen:
    """What the network makes of a picture."""

    picture: Picture
    probabilities: Floats

    def words(self, min_probability: float) -> Sequence[SeenWord]:
        """As they are written, at most that many."""
        return words_of(self.probabilities, min_probability)[:MOST_WORDS]


@frozen
class Judgement:
    """Of a set of pictures at one bound."""

    pictures: int
    with_words: int
    words: int
    wrong: Sequence[str]
    """Each with its picture and how sure it was."""

    @property
    def precision(self) -> float:
        """Words right of words written."""
        return 1 - len(self.wrong) / max(self.words, 1)

    @property
    def coverage(self) -> float:
        """Pictures with a word of all pictures; nothing can be said of some."""
        return self.with_words / self.pictures


async def seen(pictures: Iterable[Picture], helpers: HelperProcesses) -> list[Seen]:
    """All of them, each looked at in a helper process as by the service."""

    async def looked_at(picture: Picture) -> Seen:
        return Seen(picture, await helpers.run(_probabilities, picture.content, timeout_s=PICTURE_S))

    return await asyncio.gather(*map(looked_at, pictures))


def _probabilities(content: bytes) -> Floats:
    return probabilities_of(view_of(content, MAX_PIXELS).on_white)


def judged(all_seen: Sequence[Seen], min_probability: float) -> Judgement:
    written = [(each.picture, word) for each in all_seen for word in each.words(min_probability)]
    return Judgement(
        pictures=len(all_seen),
        with_words=len({picture.name for picture, _ in written}),
        words=len(written),
        wrong=[
            f"{picture.name}: {word.word} {word.probability:.2f}"
            for picture, word in written
            if word.word not in picture.right_words
        ],
    )
