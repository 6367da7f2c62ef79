"""The double with a web page: what a service sends, what PostHog makes of it, what was not sent and why."""

from __future__ import annotations
