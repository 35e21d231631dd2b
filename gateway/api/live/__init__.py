"""News of jobs at the doors: who follows, over what, and how each is told to go."""
