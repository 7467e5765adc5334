"""A local HashiStack: Consul, Vault, Nomad with the wasm driver and Traefik, on 127.0.0.1."""
