"""Following over WebSocket: one job on a connection, or many and the list of all."""
