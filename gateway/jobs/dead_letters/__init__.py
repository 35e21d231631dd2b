"""Messages of ours that were rejected: what they did to their image, and how it is sent again."""
