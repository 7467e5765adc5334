"""Outgoing requests: what the allow-list says, which addresses it covers, and the connector that makes the calls."""
