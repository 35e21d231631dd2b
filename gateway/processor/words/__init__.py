"""Which words are written: what is there, whose it is, and what a policy makes of it. Knows no format."""
