"""Images that were accepted as a URL get their originals."""
