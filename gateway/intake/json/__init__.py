"""JSON bodies (RFC 8259), read as a stream: the images lifted out as they pass, the bounded rest parsed at the end."""
