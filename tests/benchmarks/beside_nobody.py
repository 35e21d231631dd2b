"""A gateway whose images go to a broker where nobody takes them: it receives, and that is all it does."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.servers.gateway import Gateway, running_gateway
from tests.servers.rabbitmq import RabbitMQ


def gateway_beside_nobody(folder: Path, node: RabbitMQ) -> AbstractAsyncContextManager[Gateway]:
    """Ready to work, with its images in `folder / "objects"`."""
    return running_gateway(
        folder / "data",
        broker_kind="rabbitmq",
        broker_url=node.url,
        object_store_path=folder / "objects",
        analyzer_kind="external",
        processor_kind="external",
    )
