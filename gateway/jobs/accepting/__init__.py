"""A request becomes a job, once and for good, or leaves nothing behind."""
