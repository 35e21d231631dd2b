"""The doors to the news of one job, the best one first: WebSocket, server-sent events, long poll."""
