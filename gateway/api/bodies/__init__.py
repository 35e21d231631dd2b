"""Bodies of requests: which are let in, when they are asked for, and how long their senders may take."""
