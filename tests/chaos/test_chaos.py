"""The short form: every fault strikes a few times, and nothing accepted is lost, ended twice or left over.

A failed test shows its seed; CHAOS_SEED=<seed> throws the same dice again.
"""

import os
import random
from pathlib import Path

import pytest

from tests.chaos.fault import Fault, all_faults, dice_of

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("fault", all_faults(), ids=lambda fault: fault.name)
async def test_nothing_accepted_is_lost(fault: Fault, tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(2**32))
    print(f"seed {seed}")
    measured = await fault.run(fault.in_ci, tmp_path, dice_of(seed, fault))
    assert measured.violations == ()
    assert measured.accepted > 0
