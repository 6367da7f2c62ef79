"""Reading an answer that may come from anybody: PostHog, a proxy, a captive portal, an enemy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from .exchange import Response


def object_of(response: Response) -> Mapping[str, object] | None:
    """The JSON object that the body is; None if it is anything else. Whatever the content type says."""
    body = response.body.strip()
    if response.cut or not body.startswith(b"{"):
        return None
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def is_html(response: Response) -> bool:
    """Is it a page for people?"""
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() in _PAGES:
        return True
    return response.body[:256].lstrip().lower().startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


_PAGES = frozenset({"text/html", "application/xhtml+xml"})
