"""What runs in a helper, seen from its two ends: without a pool of helpers."""

import os
import pickle
import subprocess
import sys

from gateway import helper_process


def test_a_helper_starts_without_the_services_libraries() -> None:
    code = "import sys, gateway.helper_process; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"aiohttp", "asyncio", "attrs", "multiprocessing", "PIL"} & set(modules)


def test_a_helper_whose_parent_is_killed_amidst_a_call_ends_without_a_word() -> None:
    call = pickle.dumps((len, (b"x" * 100_000, "é", [1, 2])), protocol=pickle.HIGHEST_PROTOCOL)
    command = [sys.executable, "-m", helper_process.__name__, str(os.getpid()), str(1 << 30)]
    for size in (0, 1, 5, 20, len(call) // 2, len(call) - 1):
        helper = subprocess.run(command, input=call[:size], capture_output=True, check=False)
        assert (helper.returncode, helper.stdout, helper.stderr) == (0, b"", b""), size
