"""EXIF, IPTC and XMP: how each is read and written."""
