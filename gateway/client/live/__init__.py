"""Follows jobs by WebSocket: one, many or all, over one connection after another."""
