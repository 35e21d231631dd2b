"""The name of a place: the city that a person would name.

The nearest point on a map is often a suburb or an enclave: it puts the Eiffel Tower in Vanves and the middle of Rome in
Vatican City. So a city pulls by its size.
"""

from collections.abc import Sequence
from functools import cache
from math import log10
from typing import Final

from attrs import frozen

from gateway.analyzer.local.place.cities import Cities, City, cities_of_the_world

REACH_KM: Final = 30.0
PULL_KM: Final = 4.0
"""For each power of ten of the population a city may be so much farther away than another."""
IN_IT_KM: Final = 5.0
"""From here on we say "near"."""


@frozen
class Place:
    """A city, and its country where that is certain."""

    city: str
    country: str = ""
    is_near: bool = False
    """Near the city and not, for all that we know, in it."""

    def __str__(self) -> str:
        """ "Paris, France", "near Llanes, Spain"."""
        named = ", ".join(dict.fromkeys(filter(None, (self.city, self.country))))  # Singapore is both
        return f"near {named}" if self.is_near else named


def place_at(latitude: float, longitude: float) -> Place | None:
    """The place at these degrees, None far from every city. The first call takes 0.3 s.

    Raises OSError, ValueError or LookupError when the data are missing or damaged.
    """
    return named(_cities(), latitude, longitude)


def named(cities: Cities, latitude: float, longitude: float) -> Place | None:
    """The place at these degrees as told by `cities`."""
    around = list(cities.within(REACH_KM, latitude, longitude))
    if not around:
        return None
    distance_km, city = min(around, key=_pulled)
    _, nearest = min(around)
    is_near = (
        distance_km > IN_IT_KM or nearest.country != city.country
    )  # Detroit pulls Windsor, beyond the river
    is_certain = not is_near or _is_in_one_country(around)
    return Place(city.name, city.country if is_certain else "", is_near)


def _pulled(found: tuple[float, City]) -> float:
    distance_km, city = found
    return distance_km - PULL_KM * log10(max(city.population, 1))


def _is_in_one_country(around: Sequence[tuple[float, City]]) -> bool:
    """Near a border the city that pulls most may lie beyond it."""
    return len({city.country for _, city in around}) == 1


@cache
def _cities() -> Cities:
    return cities_of_the_world()
