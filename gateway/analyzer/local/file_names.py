"""The words that a person put into a file name, if a person did.

`sunset-over-the-sea.jpg` says what one sees; `IMG_1234.JPG`, a UUID or `image-0` says nothing. In doubt
nothing is said. Pure.
"""

import re
import unicodedata
from posixpath import splitext

MAX_TITLE_CHARACTERS = 100


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_UUID_OR_HEX = re.compile(
    r"\{?[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?|(?=.*\d)[0-9a-f]{8,}", re.IGNORECASE
)
_STOCK = re.compile(r"unsplash|pexels|shutterstock|istock|adobestock|depositphotos|freepik", re.IGNORECASE)
"""Their names hold the photographer's name or an id."""

_NAMED_BY_MACHINES = _set_of(
    "avatar bild bilder burst cam camera cimg clipboard copy crop cropped dcim dji download downloaded "
    "dsc dscf dscn edit edited eos export exported fb file final foto fotos fullsize gopr hdr heic hpim "
    "icon imag image images img imgp inshot instagram jpeg jpg kimg kopie lightroom messenger mvimg orig "
    "original output pano photo photos pic pics pict picture pictures png preview pxl raw received resize "
    "resized sam scaled scan sdc snapchat snapseed telegram temp test thumb thumbnail tmp unbenannt "
    "unknown unnamed untitled upload uploaded version whatsapp wp xl"
)
_OF_PROGRAMS = _set_of(
    "bearbeitet beautyplus bewerkt bildschirmfoto camscanner décran editada editado editar facetune meitu mmexport "
    "modifica modificato modifié photoroom picsart remini schermafbeelding schermata screenshot screenshots skype "
    "skärmavbild threema viber vsco wechat weixin zwischenablage スクリーンショット"
)
"""Programs, and what they call what they make in the languages of their users; d'écran without its apostrophe."""
_BY_MACHINES = _NAMED_BY_MACHINES | _OF_PROGRAMS
_NOTHING_ALONE = _set_of(
    "album alle aufnahme captura capture discord ecran ekranu frame line modifier pantalla pasted screen shot signal "
    "slack snapshot zrzut снимок экрана"
)
"""What programs write as well, and a person may mean: a traffic signal, a shot of the garden."""
STOP_WORDS = _set_of(
    "a about above after an and are as at before behind below beside between by for from in into is it "
    "its my near of off on or our out over the their this to under up with without am auf aus bei das dem "
    "den der des die ein eine im in mit und vom von vor zu zum zur de del des du el en et la le les los "
    "un una une y"
)
_NOT_AT_THE_START = _set_of("and as by for from of or to with und von vom mit de du et y")

_SEPARATORS = re.compile(r"[\s_.,;+~&()\[\]{}!#@%=\u2013\u2014-]+")
_CAMEL_CASE = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z][^\W\d_A-Z])")
_YEAR = re.compile(r"(19|20)\d\d")


def title_of(file_name: str) -> str:
    """A title made of the words of `file_name`, "Sunset over the sea"; empty when no person named it."""
    words = _words(file_name)
    if not any(_says_something(word) for word in words):
        return ""
    if all(word.isupper() for word in words if word.isalpha()):
        words = [word.lower() for word in words]
    title = " ".join(words)
    while len(title) > MAX_TITLE_CHARACTERS:
        title = title.rpartition(" ")[0]
    return title[:1].upper() + title[1:]


def keywords_of(title: str) -> tuple[str, ...]:
    """The words of a title that somebody would search for, in lower case."""
    return tuple(word for word in title.lower().split() if word not in STOP_WORDS and not word.isdigit())


def _words(file_name: str) -> list[str]:
    stem, _ = splitext(unicodedata.normalize("NFC", file_name).rpartition("/")[2])
    if _UUID_OR_HEX.fullmatch(stem) or _STOCK.search(stem):
        return []
    words = [word for part in _SEPARATORS.split(stem) if _is_word(part) for word in _parts_of(part)]
    while words and (words[0].lower() in _NOT_AT_THE_START or _YEAR.fullmatch(words[0])):
        del words[0]
    while words and words[-1].lower() in STOP_WORDS:
        del words[-1]
    return words


def _parts_of(word: str) -> list[str]:
    """SunsetOverTheSea is four words, McDonald is one."""
    parts = _CAMEL_CASE.split(word)
    return parts if all(_is_word(part) for part in parts) else [word]


def _is_word(text: str) -> bool:
    """A year, or letters that can be spoken and that no camera or program writes."""
    if _YEAR.fullmatch(text):
        return True
    letters = re.sub("['\u2019]", "", text)
    return letters.isalpha() and _can_be_spoken(letters) and letters.lower() not in _BY_MACHINES


def _can_be_spoken(letters: str) -> bool:
    plain = unicodedata.normalize("NFD", letters.lower())
    return any(letter in "aeiouyæøœ" or (letter.isalpha() and letter > "\u024f") for letter in plain)


def _says_something(word: str) -> bool:
    if word.lower() in _NOTHING_ALONE:
        return False
    is_latin = all(letter <= "\u024f" for letter in word)
    return word.isalpha() and word.lower() not in STOP_WORDS and (len(word) >= 3 or not is_latin)
