"""What an image is: its type and size by content, a safe name for it, the words that lie in it."""
