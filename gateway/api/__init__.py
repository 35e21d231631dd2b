"""The HTTP and WebSocket door: requests in, answers and frames out; decides nothing about jobs."""
