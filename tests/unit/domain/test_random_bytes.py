"""Random bytes that are fetched ahead."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from gateway.domain.random_bytes import LENGTH, random_bytes

FORKS = """
import os
from gateway.domain.random_bytes import random_bytes
random_bytes()  # what was fetched with it is ahead of both
child = os.fork()
print(b"".join(random_bytes() for _ in range(100)).hex(), flush=True)
if child:
    os.waitpid(child, 0)
"""


def test_no_two_are_the_same_in_whatever_thread():
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: random_bytes(), range(4_000)))
    assert len(set(drawn)) == 4_000
    assert {len(each) for each in drawn} == {LENGTH}


def test_a_forked_process_gets_others_than_its_parent():
    told = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, check=True).stdout
    drawn = bytes.fromhex(told.decode())
    assert len({drawn[start : start + LENGTH] for start in range(0, len(drawn), LENGTH)}) == 200
