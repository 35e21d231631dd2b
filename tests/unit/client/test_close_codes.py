"""What clients make of close codes: the gateway's own, and those that nobody knows."""

import pytest

from gateway.api.live.close_codes import CATALOGUE, JOB_DELETED
from gateway.client import close_codes
from gateway.client.close_codes import ComeBack, closed, come_back_after


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_client_comes_back_where_the_gateway_says_so(code):
    assert (come_back_after(code) is not ComeBack.NEVER) is CATALOGUE[code].come_back


def test_a_deleted_job_has_the_same_code_on_both_sides():
    assert JOB_DELETED.code == close_codes.JOB_DELETED


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1009, 1010, 4500, 4501, 4502, 4999])
def test_after_these_a_client_stays_away(code):
    assert come_back_after(code) is ComeBack.NEVER


@pytest.mark.parametrize("code", [1001, 1012])
def test_when_a_gateway_leaves_its_clients_come_back_spread_in_time(code):
    assert come_back_after(code) is ComeBack.SPREAD


def test_a_gateway_with_too_much_to_do_is_left_alone_for_a_while():
    assert come_back_after(1013) is ComeBack.LATER


@pytest.mark.parametrize("code", [1004, 1005, 1006, 1011, 1014, 1015, 3000, 3999, 4000, 4001, 4002, 4499])
def test_after_any_other_it_comes_back_soon(code):
    assert come_back_after(code) is ComeBack.SOON


def test_the_error_tells_code_and_meaning_of_one_that_is_known():
    error = closed("http://a", 1012)
    assert (error.code, str(error)) == (
        1012,
        "the connection to the gateway at http://a was closed (code 1012): the gateway starts anew",
    )


def test_the_error_tells_the_code_alone_of_one_that_is_not():
    assert str(closed("http://a", 4002)) == "the connection to the gateway at http://a was closed (code 4002)"
