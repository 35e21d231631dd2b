"""gateway.allocator: what a body has gone through is not faulted in again."""

import subprocess
import sys

PIECES_OF_A_BODY = """
import resource

{before}

def pass_through():
    held = bytearray(190_000), bytearray(2_000_000), bytearray(140_000)
    for piece in held:
        piece[::4096] = bytes(len(piece[::4096]))

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

pass_through()
before = faults()
for _ in range(500):
    pass_through()
print(faults() - before)
"""


def faults_after(before: str) -> int:
    program = PIECES_OF_A_BODY.format(before=before)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)


def test_memory_that_the_pieces_of_a_body_have_left_is_used_again():
    kept = faults_after("from gateway.allocator import keep_freed_memory; keep_freed_memory()")
    assert kept < 500 < faults_after("")
