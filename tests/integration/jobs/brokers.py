"""The in-process broker with what it has not: for what is done beside a broker that outlives the process."""

from attrs import define

from gateway.adapters.broker.in_process import InProcessBroker


@define(eq=False)
class RememberingBroker(InProcessBroker):
    """Says that it remembers, as RabbitMQ does."""

    @property
    def remembers(self) -> bool:
        return True
