"""The words that lie in an image, in EXIF, IPTC and XMP: read, never written."""
