"""RabbitMQ: the adapter of `gateway.ports.broker` for production. The only place that imports aiormq.

    Link          a supervised connection: made again, watched, ended (`link`, `transport`, `questions`, `address`)
    Topology      the queues, declared as all three services agree (`topology`, `channels`)
    Publisher     confirmed messages (`publisher`, `confirming`, `headers`)
    Subscription  deliveries over all that breaks (`subscription`, `holding`)
    Tap           frames of messages, which are ours, and all others, which are aiormq's (`tap`, `frames`)
    Sweep         a look at what lies in a queue (`sweep`)
    lenient       properties that pamqp can't read
    errors        what aiormq raises, in our words

Import it only where it is opened: one process that is all in one needs none of it.
"""

from gateway.adapters.broker.rabbitmq.broker import open_rabbitmq

__all__ = ["open_rabbitmq"]
