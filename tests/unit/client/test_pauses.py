"""How long a client stays away; here the draw falls on the one end of its range, or on the other."""

import pytest

from gateway.client.close_codes import ComeBack
from gateway.client.pauses import LATER_S, LONGEST_PAUSE_S, Pauses


def least(low: float, _: float) -> float:
    return low


def most(_: float, high: float) -> float:
    return high


@pytest.fixture
def shortest():
    return Pauses(spread_s=5.0, draw=least)


@pytest.fixture
def longest():
    return Pauses(spread_s=5.0, draw=most)


def test_the_longest_pause_doubles_with_each_failure_up_to_a_bound(longest):
    assert [longest.after_failure() for _ in range(8)] == [
        0.2,
        0.4,
        0.8,
        1.6,
        3.2,
        6.4,
        10.0,
        LONGEST_PAUSE_S,
    ]


def test_a_pause_is_drawn_from_all_of_the_time_up_to_the_longest_one(shortest):
    assert [shortest.after_failure() for _ in range(8)] == [0.0] * 8


def test_what_goes_on_begins_anew(longest):
    longest.after_failure()
    longest.after_failure()
    longest.begin_anew()
    assert longest.after_failure() == 0.2


def test_a_time_that_the_gateway_names_is_waited_for_at_least(shortest):
    assert shortest.after_request(30.0) == 30.0


def test_not_all_come_at_the_end_of_the_time_that_it_names(longest):
    assert longest.after_request(30.0) == 45.0 + 0.2


def test_after_a_restart_clients_come_back_within_the_spread_and_never_all_at_once(shortest, longest):
    assert shortest.after_close(ComeBack.SPREAD) == 0.0
    assert longest.after_close(ComeBack.SPREAD) == 5.0 + 0.2


def test_a_gateway_with_too_much_to_do_is_left_alone_as_if_it_had_named_a_time(shortest):
    assert shortest.after_close(ComeBack.LATER) == LATER_S


def test_after_any_other_close_it_is_a_failure_like_others(longest):
    assert [longest.after_close(ComeBack.SOON) for _ in range(3)] == [0.2, 0.4, 0.8]


def test_two_clients_that_failed_together_come_back_apart():
    assert Pauses().after_failure() != Pauses().after_failure()
