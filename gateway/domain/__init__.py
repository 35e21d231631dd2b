"""Jobs and images as values, and the rules by which they change: pure, no IO, no clock, no aiohttp."""
