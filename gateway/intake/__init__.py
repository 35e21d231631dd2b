"""A request body to image streams: JSON, multipart, or one raw image. Knows no HTTP server and stores nothing."""
