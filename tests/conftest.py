"""Fixtures for every test."""

from tests.stack.fixtures import stack, vault

__all__ = ["stack", "vault"]
