"""Why a benchmark could not be run or is worth nothing."""

from __future__ import annotations


class BenchError(Exception):
    """One line for the person who ran it."""
