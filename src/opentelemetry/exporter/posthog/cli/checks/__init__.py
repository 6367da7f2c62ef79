"""What ``doctor`` knows: pure functions from facts to findings. Facts are gathered next door."""

from __future__ import annotations

from .finding import Finding, Level

__all__ = ["Finding", "Level"]
