"""Coordinates become the name that a person would say, or none."""

from math import atan2, cos, degrees, hypot, log10, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.analyzer.local.place.cities import Cities, City, distance_between
from gateway.analyzer.local.place.naming import PULL_KM, REACH_KM, Place, named, place_at

KM_OF_A_DEGREE = 6371.0 * radians(1)


def a_city(
    name: str = "Somewhere", north_km: float = 0.0, *, population: int = 50_000, of: str = "Land"
) -> City:
    """So far north of where the equator crosses the meridian 10 E."""
    return City(north_km / KM_OF_A_DEGREE, 10.0, name, of, population)


def told(*cities: City) -> str:
    """What is said of where the equator crosses the meridian 10 E."""
    return str(named(Cities(cities), 0.0, 10.0) or "")


def test_a_city_is_named_with_its_country() -> None:
    assert told(a_city("Paris", 3, of="France")) == "Paris, France"


def test_more_than_five_km_away_is_near() -> None:
    assert told(a_city("Paris", 5.1, of="France")) == "near Paris, France"


def test_more_than_thirty_km_away_is_nowhere() -> None:
    assert told(a_city(north_km=30.1)) == ""


def test_a_large_city_is_preferred_to_its_suburb() -> None:
    assert (
        told(a_city("Vanves", 2, population=27_000), a_city("Paris", 4, population=2_100_000))
        == "Paris, Land"
    )


def test_a_town_is_preferred_to_a_large_city_far_away() -> None:
    assert told(
        a_city("Versailles", 1, population=85_000), a_city("Paris", 17, population=2_100_000)
    ).startswith("Versailles")


def test_near_a_border_no_country_is_named() -> None:
    cities = a_city("Strasbourg", 6, population=275_000, of="France"), a_city("Kehl", -6, of="Germany")
    assert told(*cities) == "near Strasbourg"


def test_a_larger_city_beyond_a_border_is_near_and_no_more() -> None:
    cities = (
        a_city("Detroit", 2, population=640_000, of="United States"),
        a_city("Windsor", -1, population=230_000, of="Canada"),
    )
    assert told(*cities) == "near Detroit"


def test_in_a_city_its_country_is_certain_also_at_a_border() -> None:
    assert (
        told(a_city("Basel", 1, of="Switzerland"), a_city("Weil", -5, of="Germany")) == "Basel, Switzerland"
    )


@pytest.mark.parametrize(("city", "country"), [("Singapore", "Singapore"), ("Gaza", "")])
def test_nothing_is_named_twice_and_no_empty_country(city: str, country: str) -> None:
    assert str(Place(city, country)) == city


def test_a_city_without_inhabitants_pulls_not() -> None:
    assert told(a_city("Ghost town", 1, population=0), a_city("Town", 3, population=1)) == "Ghost town, Land"


@pytest.mark.parametrize(
    ("here", "city"),
    [((-16.8, 179.99), (-16.8, -179.95)), ((89.95, 0.0), (89.95, 180.0)), ((-90.0, 0.0), (-89.9, 77.0))],
    ids=["date line", "north pole", "south pole"],
)
def test_the_earth_is_round(here: tuple[float, float], city: tuple[float, float]) -> None:
    found = named(Cities([City(*city, "Over there", "Land", 1)]), *here)
    assert found is not None


@pytest.mark.parametrize("at", [(0.0, 0.0, 0.0, 180.0), (90.0, 0.0, -90.0, 0.0), (45.0, 10.0, -45.0, -170.0)])
def test_the_other_side_of_the_earth_is_half_its_circumference_away(at: tuple[float, ...]) -> None:
    assert distance_between(*at) == pytest.approx(20015.1, abs=0.1)


LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


@given(data=st.data(), here=st.tuples(LATITUDES, LONGITUDES))
def test_the_city_that_pulls_most_is_found_wherever_it_is(
    data: st.DataObject, here: tuple[float, float]
) -> None:
    cities = data.draw(st.lists(_cities_around(*here), max_size=30))
    pulled = {city.name: _pulled(*here, city) for city in cities if _by_vectors(*here, city) <= REACH_KM}
    found = named(Cities(cities), *here)
    assert (found is None) == (not pulled)
    if found:
        assert pulled[found.city] == pytest.approx(min(pulled.values()), abs=1e-6)


def _pulled(latitude: float, longitude: float, city: City) -> float:
    return _by_vectors(latitude, longitude, city) - PULL_KM * log10(max(city.population, 1))


def _cities_around(latitude: float, longitude: float) -> st.SearchStrategy[City]:
    """Some in reach, some not; each with a name of its own, for its pull alone decides."""
    return st.builds(
        lambda away, aside, population, name: City(
            max(-90.0, min(90.0, latitude + away)),
            (longitude + aside / max(cos(radians(latitude)), 0.01) + 180) % 360 - 180,
            f"City {name}",
            "Land",
            population,
        ),
        st.floats(-0.5, 0.5),
        st.floats(-0.5, 0.5),
        st.integers(0, 30_000_000),
        st.uuids(),
    )


def _by_vectors(latitude: float, longitude: float, city: City) -> float:
    """The distance in another way than ours: the angle between two arrows from the middle of the earth."""
    a, b = _arrow(latitude, longitude), _arrow(city.latitude, city.longitude)
    across = (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
    along = sum(one * other for one, other in zip(a, b, strict=True))
    return degrees(atan2(hypot(*across), along)) * KM_OF_A_DEGREE


def _arrow(latitude: float, longitude: float) -> tuple[float, float, float]:
    up, around = radians(latitude), radians(longitude)
    return cos(up) * cos(around), cos(up) * sin(around), sin(up)


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ((48.8584, 2.2945), "Paris, France"),
        ((41.9, 12.48), "Rome, Italy"),
        ((48.573, 7.81), "Kehl, Germany"),
        ((47.5596, 7.5886), "Basel, Switzerland"),
        ((64.1466, -21.94), "Reykjavík, Iceland"),
        ((39.9999, 116.2755), "near Beijing, China"),
        ((-33.857, 151.215), "Sydney, Australia"),
        ((36.14, -5.35), "Gibraltar"),
        ((0.0, -30.0), "None"),
        ((90.0, 0.0), "None"),
    ],
)
def test_real_places_have_the_names_that_people_use(at: tuple[float, float], place: str) -> None:
    assert str(place_at(*at)) == place
