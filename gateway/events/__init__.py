"""News of jobs on their way out: who listens, what a subscriber gets, and the newest state at hand."""
