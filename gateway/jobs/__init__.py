"""The use cases and the services that move jobs on. They know ports, never an adapter.

accepting: a request becomes a job. sending: an image gets into the pipeline. results: it ends. dead_letters: it was
rejected. Beside them the fetcher brings what was named by URL, and the cleaner removes what nobody needs.
"""
