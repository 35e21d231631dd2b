"""Sites of nginx that let no WebSocket pass, in the ways in which proxies do that, and one that does.

    async with running_nginx(tmp_path / "nginx", refusing_upgrades(403), behind=gateway.port) as port: ...

All else passes. `holding_back` makes of each a site that gathers answers until they are whole, or fill its buffers.
What was asked for is in a log.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Final

from tests.servers.nginx import HOST, Site

DROPPED: Final = 444
"""As a status to nginx: the connection is closed without a word."""
LOG: Final = "requests.log"
AS_IT_COMES: Final = "proxy_http_version 1.1;"
HELD_BACK: Final = "proxy_ignore_headers X-Accel-Buffering;"
"""Over HTTP/1.0, which nginx speaks by itself, it then gathers what comes, the head too."""


def refusing_upgrades(status: int) -> Site:
    """They are answered so, with a page of nginx."""
    return _site(f"return {status};")


def taking_upgrades_away() -> Site:
    """They come to the gateway as plain requests, as with any nginx that was told nothing of WebSockets."""
    return _site("")


def never_answering_upgrades(silent_port: int) -> Site:
    """They lead to something that takes them and says nothing."""
    return _site(f"proxy_pass http://{HOST}:{silent_port};")


def passing_upgrades() -> Site:
    """It lets all pass."""
    return lambda port, behind: _site("")(port, behind).replace(
        "Connection ''", "Upgrade $http_upgrade; proxy_set_header Connection $http_connection"
    )


def holding_back(site: Site) -> Site:
    """The same, but a stream does not come through."""
    return lambda port, behind: site(port, behind).replace(AS_IT_COMES, HELD_BACK)


def asked_of(folder: Path) -> Counter[str]:
    """How often each door was asked for, by the last part of its path, once that was answered."""
    return Counter(re.findall(r'"GET /\S*?/?(ws|events|results)[ ?]', (folder / LOG).read_text()))


def upgraded_by(folder: Path) -> int:
    """How many WebSockets there were."""
    return (folder / LOG).read_text().count('" 101 ')


def _site(upgrades: str) -> Site:
    barred = f"if ($http_upgrade) {{ {upgrades} }}" if upgrades else ""
    return lambda port, behind: (
        f"server {{ listen {HOST}:{port}; access_log {LOG}; location / {{ {AS_IT_COMES} "
        f"proxy_set_header Connection ''; {barred} proxy_pass http://{HOST}:{behind}; }} }}"
    )
