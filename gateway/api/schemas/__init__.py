"""The shapes of what the API takes and gives, as JSON Schema: described once, for OpenAPI and AsyncAPI alike.

They leave room for further fields, as clients should; the tests close them when they compare them with real answers
and messages, field by field.
"""
