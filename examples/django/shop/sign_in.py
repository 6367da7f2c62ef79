"""Stands for Django's own session and authentication: who is it?"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from .models import Member


class SignInMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = request.headers.get("Authorization", "")
        member = Member.objects.select_related("organization").filter(token=token).first()
        request.member = member
        return self._get_response(request)
