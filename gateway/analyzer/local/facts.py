"""What is known of a picture, and how it is said: title, description, keywords. Pure.

Only facts, never a guess and never a filler noun ("image", "photo"): what is not known is not mentioned. Coordinates
are not written: they stand in the photo's EXIF, and in words they tell everybody who reads a caption where a home is.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from attrs import field, frozen

from gateway.analyzer.local.colours import BLACK_AND_WHITE
from gateway.analyzer.local.file_names import keywords_of
from gateway.analyzer.local.place.naming import Place
from gateway.analyzer.local.shot import Shot
from gateway.metadata import Metadata

MAX_KEYWORDS = 16
MAX_SUBJECTS = 3
"""Nouns in the description; further ones are keywords."""
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@frozen
class Facts:
    """What is known; an empty field is what is not."""

    words: str = ""
    """A person's own; all others are ours."""
    seen: tuple[str, ...] = ()
    """Nouns for what is in the picture, each behind those that are narrower, else the most probable first."""
    broad: frozenset[str] = frozenset()
    """Those among them that say little, like "animal"."""
    colours: tuple[str, ...] = ()
    shape: str = ""
    brightness: str = ""
    sharpness: str = ""
    place: Place | None = None
    shot: Shot = field(factory=Shot)


def metadata_of(facts: Facts) -> Metadata:
    """The facts in words; the writer is for the caller to name."""
    return Metadata(_title(facts), _description(facts), tuple(_keywords(facts)))


def _title(facts: Facts) -> str:
    """A person's words alone, or the narrowest noun, colours, place and day: "Cat, orange tones, Paris, France"."""
    if facts.words:
        return _capitalised(facts.words)
    place = str(facts.place) if facts.place else ""
    return _capitalised(
        _listed(*_subjects(facts)[:1], _tones(facts.colours), place, _day(facts.shot.taken_on))
    )


def _description(facts: Facts) -> str:
    """One sentence of all that is known."""
    text = _listed(
        facts.words,
        _joined(_subjects(facts)[:MAX_SUBJECTS]),
        _tones(facts.colours),
        facts.shape if facts.shape == "panorama" else "",
        facts.sharpness,
        _brightness(facts),
        _taken(facts),
    )
    return f"{_capitalised(text)}." if text else ""


def _keywords(facts: Facts) -> list[str]:
    """What people search for first: their own words, what is seen (a cat before an animal) and where, its looks, how
    it was made.
    """
    place = facts.place or Place("")
    wanted: Iterator[str] = iter(
        (
            *keywords_of(facts.words),
            *_narrow(facts),
            *facts.seen,
            place.city,
            place.country,
            *facts.colours,
            str(facts.shot.taken_on.year) if facts.shot.taken_on else "",
            facts.brightness,
            facts.sharpness,
            facts.shot.camera,
            facts.shape,
        )
    )
    return list(dict.fromkeys(map(_lower, filter(None, wanted))))[:MAX_KEYWORDS]


def _subjects(facts: Facts) -> list[str]:
    """The nouns to name: none that a person has said; a broad one, the narrowest, where there is nothing else."""
    if narrow := _narrow(facts):
        return [noun for noun in narrow if not _is_said(noun, facts.words)]
    return [] if facts.words else [*facts.seen[:1]]


def _is_said(noun: str, words: str) -> bool:
    """Whether a person has said all of `noun`, if as one of many or in a longer word: cats, sailboat."""
    return all(
        any(said.endswith((part, f"{part}s", f"{part}es")) for said in keywords_of(words))
        for part in noun.split()
    )


def _narrow(facts: Facts) -> list[str]:
    return [word for word in facts.seen if word not in facts.broad]


def _brightness(facts: Facts) -> str:
    """Where black or white is named already it says nothing more."""
    return (
        f"mostly {facts.brightness}" if facts.brightness and not {"black", "white"} & {*facts.colours} else ""
    )


def _taken(facts: Facts) -> str:
    """ "taken in Paris, France, on 4 May 2024 with a Canon EOS 80D", or what of it is known."""
    place, day, camera = facts.place, _day(facts.shot.taken_on), facts.shot.camera
    parts = (
        _where(place, is_last=not (day or camera)) if place else "",
        f"on {day}" if day else "",
        f"with {_article(camera)} {camera}" if camera else "",
    )
    text = " ".join(filter(None, parts))
    return f"taken {text}" if text else ""


def _where(place: Place, *, is_last: bool) -> str:
    """A country behind a city stands between commas."""
    text = str(place) if place.is_near else f"in {place}"
    return text if is_last or "," not in text else f"{text},"


def _tones(colours: tuple[str, ...]) -> str:
    """ "orange and blue tones"; "black and white" is a kind of picture and no tone."""
    if not colours or colours == (BLACK_AND_WHITE,):
        return "".join(colours)
    return f"{_joined(colours)} tones"


def _day(day: date | None) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}" if day else ""


def _article(noun: str) -> str:
    return "an" if noun[:1].lower() in set("aeio") else "a"


def _listed(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _joined(nouns: Iterable[str]) -> str:
    """ "cat", "cat and dog", "cat, dog and ball"."""
    *others, last = [*nouns] or [""]
    return " and ".join(filter(None, (", ".join(others), last)))


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    """ "İzmir" is "izmir": its own small letter would be an i and a loose dot."""
    return text.replace("İ", "i").lower()
