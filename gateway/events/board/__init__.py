"""The news of all jobs, for those who follow the list of them."""
