"""The soft limit on open files is raised as far as it is wanted and may be, and never lowered."""

import json
import subprocess
import sys

import pytest

LIMITED = """
import json, resource, sys
from gateway import open_files
soft, hard, wanted = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
allowed = open_files.allow(wanted)
print(json.dumps([allowed, resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "allowed", "soft_then"),
    [
        (100, 200, 150, 150, 150),
        (100, 200, 300, 200, 200),
        (100, 200, 50, 50, 100),
        (200, 200, 200, 200, 200),
    ],
    ids=["within the hard limit", "above the hard limit", "below the soft limit", "the limit itself"],
)
def test_limit(soft: int, hard: int, wanted: int, allowed: int, soft_then: int) -> None:
    limits = json.dumps([soft, hard, wanted])
    told = subprocess.run([sys.executable, "-c", LIMITED, limits], check=True, capture_output=True).stdout
    assert json.loads(told) == [allowed, [soft_then, hard]]
