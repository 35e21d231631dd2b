"""The HTTP and WebSocket door: requests in, answers and news out; decides nothing about jobs."""
