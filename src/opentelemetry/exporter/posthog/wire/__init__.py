"""What goes over the wire and what the answer means. Pure: bytes and values in, bytes and values out.

Two protocols behind one :class:`~.exchange.Wire`: ``legacy`` (``POST /batch/``) and ``v1``
(``POST /i/v1/analytics/events``). Neither knows of sockets, clocks, attempts left or what happens next.
"""
