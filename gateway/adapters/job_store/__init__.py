"""Adapters of the job store's ports."""
