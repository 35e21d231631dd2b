"""Object stores: adapters of `gateway.ports.object_store`."""
