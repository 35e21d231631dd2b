"""Following over plain HTTP: server-sent events, results as lines, answers that wait."""
