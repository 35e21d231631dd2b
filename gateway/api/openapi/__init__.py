"""The API described as an OpenAPI document: its operations by subject."""
