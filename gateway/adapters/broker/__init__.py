"""Brokers: adapters of `gateway.ports.broker`."""
