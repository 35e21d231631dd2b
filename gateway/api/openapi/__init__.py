"""The API described as an OpenAPI document: its operations by subject, and the shapes of what they take and give."""
