"""An image ends: by the result of an attempt, or because none comes."""
