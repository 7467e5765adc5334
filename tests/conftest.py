"""Fixtures for every test."""

from tests.stack.fixtures import stack

__all__ = ["stack"]
