"""Images on their way into the pipeline: which goes next, how many at once, what was confirmed."""
