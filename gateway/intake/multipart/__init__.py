"""multipart/form-data bodies (RFC 7578), read as a stream, part by part."""
