"""What a start is compared with: a bare aiohttp application that imports the libraries of the gateway.

python -m tests.benchmarks.bare_app PORT
"""

import logging
import sqlite3
import sys

import attrs
import cattrs
import click
import multipart
import orjson
import PIL.Image
import prometheus_client
import pybase64
import structlog

from tests.benchmarks.bare_serving import serve_bare

LIBRARIES = (
    attrs, cattrs, click, logging, multipart, orjson, PIL.Image, prometheus_client, pybase64, sqlite3, structlog,
)  # fmt: skip


if __name__ == "__main__":
    serve_bare(int(sys.argv[1]))
