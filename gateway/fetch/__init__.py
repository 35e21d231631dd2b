"""A URL to an image stream, from nowhere but where the policy allows."""
