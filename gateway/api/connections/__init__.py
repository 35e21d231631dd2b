"""Connections: how many there may be, and what aiohttp leaves unbounded or unanswered on each."""
