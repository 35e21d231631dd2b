"""What is known of a picture, and how it is said: title, description, keywords. Pure.

Only facts, never a guess and never a filler noun ("image", "photo"): what is not known is not mentioned.
"""

from collections.abc import Iterator
from datetime import date

from attrs import field, frozen

from gateway.analyzer.local.colours import BLACK_AND_WHITE
from gateway.analyzer.local.file_names import keywords_of
from gateway.analyzer.local.shot import Position, Shot
from gateway.metadata import Metadata

MAX_KEYWORDS = 12
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
    """What is known; an empty field is what is not. `words` are a person's own, the looks are words of ours."""

    words: str = ""
    colours: tuple[str, ...] = ()
    shape: str = ""
    brightness: str = ""
    sharpness: str = ""
    shot: Shot = field(factory=Shot)


def metadata_of(facts: Facts) -> Metadata:
    """The facts in words."""
    tones = _tones(facts.colours)
    taken_on = _day(facts.shot.taken_on)
    title = facts.words or ", ".join(filter(None, (tones, taken_on)))
    return Metadata(_sentence(title), _description(facts, tones, taken_on), tuple(_keywords(facts)))


def _description(facts: Facts, tones: str, taken_on: str) -> str:
    parts = (
        facts.words,
        tones,
        facts.shape if facts.shape == "panorama" else "",
        facts.sharpness,
        f"mostly {facts.brightness}" if facts.brightness else "",
        taken_on,
        _coordinates(facts.shot.position),
        f"taken with {_article(facts.shot.camera)} {facts.shot.camera}" if facts.shot.camera else "",
    )
    text = _sentence(", ".join(filter(None, parts)))
    return f"{text}." if text else ""


def _keywords(facts: Facts) -> list[str]:
    """What people search for first: their own words, then what it looks like, then how it was made."""
    wanted: Iterator[str] = iter(
        (
            *keywords_of(facts.words),
            *facts.colours,
            facts.brightness,
            facts.sharpness,
            str(facts.shot.taken_on.year) if facts.shot.taken_on else "",
            facts.shot.camera.lower(),
            facts.shape,
        )
    )
    return list(dict.fromkeys(filter(None, wanted)))[:MAX_KEYWORDS]


def _tones(colours: tuple[str, ...]) -> str:
    """ "orange and blue tones"; "black and white" is a kind of picture and no tone."""
    if not colours or colours == (BLACK_AND_WHITE,):
        return "".join(colours)
    return f"{' and '.join(colours)} tones"


def _day(day: date | None) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}" if day else ""


def _coordinates(position: Position | None) -> str:
    """Four decimals are about ten metres, as good as a receiver in a camera."""
    if position is None:
        return ""
    latitude = f"{abs(position.latitude):.4f}° {'N' if position.latitude >= 0 else 'S'}"
    longitude = f"{abs(position.longitude):.4f}° {'E' if position.longitude >= 0 else 'W'}"
    return f"{latitude}, {longitude}"


def _article(noun: str) -> str:
    return "an" if noun[:1].lower() in set("aeio") else "a"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
