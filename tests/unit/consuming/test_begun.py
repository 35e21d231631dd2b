"""What a process has begun, told by message and try, and no more of it than a bound."""

from gateway.consuming.begun import MOST, Begun
from gateway.messages import TRIES
from gateway.ports.broker import Delivery, Queue


def a_delivery(body: bytes = b"a", tries: int = 1) -> Delivery:
    return Delivery(Queue.METADATA_GENERATED, body, 7, {TRIES: tries} if tries > 1 else {})


def test_one_that_comes_again_is_known_though_it_is_another_delivery() -> None:
    begun = Begun()
    begun.add(a_delivery())
    assert a_delivery() in begun
    assert a_delivery(b"b") not in begun


def test_another_try_of_the_same_message_is_another() -> None:
    begun = Begun()
    begun.add(a_delivery(tries=2))
    assert a_delivery(tries=1) not in begun
    assert a_delivery(tries=3) not in begun


def test_one_that_was_discarded_is_not_known() -> None:
    begun = Begun()
    begun.add(a_delivery())
    begun.add(a_delivery())
    begun.discard(a_delivery())
    begun.discard(a_delivery(b"never begun"))
    assert a_delivery() not in begun


def test_of_too_many_the_oldest_are_forgotten() -> None:
    begun = Begun()
    for number in range(MOST):
        begun.add(a_delivery(str(number).encode()))
    begun.add(a_delivery(b"0"))
    begun.add(a_delivery(b"one more"))
    known = [number for number in range(MOST) if a_delivery(str(number).encode()) in begun]
    assert known == [0, *range(2, MOST)]
