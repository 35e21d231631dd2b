"""The use cases and the services that move jobs on. They know ports, never an adapter."""
