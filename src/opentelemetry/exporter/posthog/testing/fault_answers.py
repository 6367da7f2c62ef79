"""The answers of a failing PostHog, or of something in front of it: pure."""

from __future__ import annotations

import gzip
from http import HTTPStatus

from .exchange import Answer, Request
from .faults import Fault
from .rules_legacy import plain
from .rules_v1 import BILLING, BILLING_DOCS, error_answer, with_echo

PAGE = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"

SENTENCES = {
    408: "client stopped sending data",
    413: "maximum event size exceeded: forced by a fault",
    429: "rate limited",
    503: "transient error, please retry",
}

TAGS = {
    400: ("request_parsing_error", "Failed to parse request body."),
    401: ("invalid_api_token", "The provided API token is not valid."),
    402: ("billing_limit_exceeded", BILLING),
    408: ("request_timeout", "request timeout"),
    413: ("payload_too_large", "payload too large: forced by a fault"),
    415: ("unsupported_encoding", "Content-Encoding must be one of gzip, deflate, br, zstd"),
    429: ("rate_limited", "rate limited"),
    500: ("internal_error", "Internal Server Error"),
    503: ("service_unavailable", "Service Unavailable"),
    504: ("gateway_timeout", "Gateway Timeout"),
}


def fault_answer(fault: Fault, request: Request) -> Answer:
    """What ``fault`` answers to ``request`` instead of the rules."""
    if fault.redirect:
        answer = Answer(fault.status or 307, (("Location", fault.redirect),))
    elif fault.bomb:
        headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
        answer = Answer(fault.status or 200, headers, _bomb(fault.bomb))
    elif fault.html:
        answer = Answer(fault.status or 200, (("Content-Type", "text/html; charset=utf-8"),), PAGE)
    else:
        answer = _error(fault.status, request)
    if fault.body is not None:
        kind = fault.content_type or "text/plain; charset=utf-8"
        answer = Answer(
            answer.status, (*_without(answer, "content-type"), ("Content-Type", kind)), fault.body.encode()
        )
    return with_retry_after(answer, fault)


def with_retry_after(answer: Answer, fault: Fault) -> Answer:
    if not fault.retry_after:
        return answer
    headers = (*_without(answer, "retry-after"), ("Retry-After", fault.retry_after))
    return Answer(answer.status, headers, answer.body)


def _error(status: int, request: Request) -> Answer:
    """The protocol's own form of a status; one that PostHog never says comes from a proxy, as plain text."""
    phrase = _phrase(status)
    if not request.v1:
        return plain(status, SENTENCES.get(status, phrase))
    if status in TAGS:
        tag, description = TAGS[status]
        uri = {"uri": BILLING_DOCS} if status == 402 else {}
        return with_echo(error_answer(status, tag, description, **uri), request)
    return plain(status, phrase)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)


def _without(answer: Answer, name: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in answer.headers if key.lower() != name)


def _bomb(size: int) -> bytes:
    return gzip.compress(b"\0" * size, mtime=0)
