"""What every test gets: free ports, patient property tests, plain tracebacks, and no quiet skips.

Fixtures of one real server stand in one file of tests/servers/ each.
"""

from collections.abc import Callable

import hypothesis
import pytest
import structlog

from tests.free_ports import free_port

pytest_plugins = ["tests.no_skips", "tests.servers.rabbitmq", "tests.servers.s3"]

# On a shared machine a slow example says nothing about the code; the seed of a failure is printed.
hypothesis.settings.register_profile(
    "patient", deadline=None, print_blob=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

# By itself structlog shows all variables of a traceback: of a whole gateway, which takes seconds.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture
def free_ports() -> Callable[[], int]:
    """Call it for one more port on which nothing listens."""
    return free_port
