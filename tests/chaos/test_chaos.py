"""The short form: every fault strikes a few times, and nothing accepted is lost, ended twice or left over.

A test that fails says how its dice are thrown again. What its parts wrote stands in its output, in `tmp_path` the rest.
"""

import os
import random
from pathlib import Path

import pytest

from tests.chaos.fault import Fault, all_faults, dice_of

pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("fault", all_faults(), ids=lambda fault: fault.name)
async def test_nothing_accepted_is_lost(fault: Fault, tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(2**32))
    print(f"again: CHAOS_SEED={seed} python -m pytest tests/chaos/test_chaos.py -k {fault.name}")
    print(f"their logs and files: {tmp_path}")
    measured = await fault.run(fault.in_ci, tmp_path, dice_of(seed, fault))
    assert not measured.violations, "\n".join((f"seed {seed}:", *measured.violations))
    assert measured.accepted > 0
