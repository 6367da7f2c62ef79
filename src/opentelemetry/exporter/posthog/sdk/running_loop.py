"""A hint for the one mistake that makes an exporter block an asyncio application."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("opentelemetry.exporter.posthog")

_warned = False


def warn_on_running_loop() -> None:
    """Say once that an export runs on a thread whose event loop it blocks.

    That is what simple processors do, and ``provider.force_flush()`` called from a coroutine.
    """
    global _warned
    asyncio = sys.modules.get("asyncio")  # nobody imported it: nobody runs a loop, and we need not pay for it
    # Another thread may be importing it this very moment (a client library does): then it is half a module.
    get_running_loop = getattr(asyncio, "get_running_loop", None)
    if _warned or get_running_loop is None:
        return
    try:
        get_running_loop()
    except RuntimeError:
        return
    _warned = True
    logger.warning(
        "an export runs on the thread of a running event loop and blocks it: use the batch processors, "
        "and flush with `await asyncio.to_thread(provider.force_flush)`"
    )
