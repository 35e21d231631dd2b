"""What may happen to any engine, in any order: its store is slow, and its process starts anew."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.events.hub import Hub
from gateway.events.latest import LatestJobs
from tests.hand_loop import HandLoop
from tests.unit.events.honest_store import HonestStore


class EngineMachine(RuleBasedStateMachine):
    """An engine over a store, on a loop whose time is in the test's hands."""

    hub: Hub

    def __init__(self, store: HonestStore) -> None:
        super().__init__()
        self.loop = HandLoop()
        self.store = store

    def start_engine(self) -> LatestJobs:
        """That of a process which has just begun: its hub, and what it knows of the store's jobs."""
        self.hub = Hub()
        latest = LatestJobs(self.store)  # type: ignore[arg-type]  # nothing but `get` is asked of it
        self.hub.observe(latest.observe)
        self.hub.observe_deletions(latest.forget)
        return latest

    @rule()
    def the_store_is_slow(self) -> None:
        self.store.holds = True

    @rule(place=st.integers(0, 5))
    def one_of_its_answers_comes(self, place: int) -> None:
        self.loop.call(self.store.let_go, place)

    @rule()
    def it_answers_at_once_again(self) -> None:
        self.loop.call(self.store.let_all_go)

    @invariant()
    def no_callback_has_crashed(self) -> None:
        assert not self.loop.crashes, self.loop.crashes
