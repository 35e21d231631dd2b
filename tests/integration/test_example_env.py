"""The commands of the guide on production fill in what compose asks for."""

import re
import shutil
import stat
import subprocess
from pathlib import Path

from tests.documents import ROOT, fences

GUIDE = ROOT / "docs" / "guides" / "production.md"


def test_the_first_commands_of_the_guide_leave_no_value_empty_that_compose_asks_for(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "example.env", tmp_path / "deploy")
    before_docker = fences(GUIDE)[0].text.partition("docker ")[0]
    subprocess.run(["sh", "-euc", before_docker], cwd=tmp_path, check=True, timeout=30)
    made = tmp_path / "deploy" / ".env"
    filled_in = dict(re.findall(r"^(\w+)=(.+)$", made.read_text(), re.MULTILINE))
    asked_for = set(re.findall(r"\$\{(\w+):\?", (ROOT / "deploy" / "compose.yaml").read_text()))
    assert asked_for - set(filled_in) == set()
    assert re.fullmatch(r"[0-9a-f]{48}", filled_in["RABBITMQ_PASSWORD"])
    assert filled_in["MINIO_SECRET_KEY"] != filled_in["RABBITMQ_PASSWORD"]
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
