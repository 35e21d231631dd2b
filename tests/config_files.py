"""The files of config/, read as somebody would who uncomments what stands in them."""

import re
from pathlib import Path

from gateway.settings import Settings
from gateway.settings.sources import known_keys

CONFIG = Path(__file__).parents[1] / "config"
KEYS = known_keys(Settings)
SETTING = re.compile(r"#(?=\w+ = )")


def uncommented(file: Path, folder: Path) -> Path:
    """A copy in `folder` in which every setting is in force."""
    lines = (
        SETTING.sub("", line, count=1) if SETTING.match(line) else line
        for line in file.read_text().splitlines()
    )
    copy = folder / "uncommented.toml"
    copy.write_text("\n".join(lines))
    return copy


def value_at(settings: object, path: str) -> object:
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings
