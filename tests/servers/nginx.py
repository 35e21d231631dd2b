"""A private nginx, Debian's, in front of a server on this machine: config, pid, log and temporary files are its own.

    async with running_nginx(tmp_path / "nginx", plain_site, behind=gateway.port) as port:
        await curl(f"http://127.0.0.1:{port}/")

It is one process in the foreground. `plain_site` passes on and says nothing else, so all is as nginx has it by default;
`site_of_the_documents` is the one that operators are told to take, without TLS and passwords.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from tests.free_ports import free_port

HOST: Final = "127.0.0.1"
NGINX: Final = "/usr/sbin/nginx"
OF_THE_DOCUMENTS: Final = Path(__file__).parents[2] / "config" / "nginx.conf"
START_S: Final = 60.0

Site = Callable[[int, int], str]
"""What it serves, on which port, and the port behind it."""

_MAIN: Final = """
daemon off;
master_process off;
pid nginx.pid;
error_log nginx.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {site}
}}
"""


def plain_site(port: int, behind: int) -> str:
    return f"server {{ listen {HOST}:{port}; location / {{ proxy_pass http://{HOST}:{behind}; }} }}"


def site_of_the_documents(port: int, behind: int) -> str:
    text = OF_THE_DOCUMENTS.read_text()
    text, passed_on = re.subn(r"http://127\.0\.0\.1:8080;", f"http://{HOST}:{behind};", text)
    text, listens = re.subn(r"listen 443 ssl;", f"listen {HOST}:{port};", text)
    assert (passed_on, listens) == (2, 1)
    return re.sub(r"(?m)^ *(ssl_|auth_).*\n", "", text)


@asynccontextmanager
async def running_nginx(folder: Path, site: Site, *, behind: int) -> AsyncIterator[int]:
    """The port on which it takes connections; its files lie in `folder`. What it logged is printed at the end."""
    port = free_port()
    folder.mkdir()
    (folder / "nginx.conf").write_text(_MAIN.format(site=site(port, behind)))
    log = folder / "nginx.log"
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "nginx.log", stdin=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_S):
            while not await _listens(port):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.02)
        yield port
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        print(log.read_text())


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        await writer.wait_closed()
    except OSError:
        return False
    return True
