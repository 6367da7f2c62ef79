"""What PostHog answers to a request: the door to the rules of both protocols.

Pure: the bytes of a request and the project's behaviour in; answer, accepted events and findings out. Time
and chance are arguments. Written from PostHog's observed contract alone: nothing here shares code with the
exporter, since a judge who shares our encoders shares our mistakes.
"""

from __future__ import annotations

from email.utils import formatdate

from .exchange import Answer, Request
from .judgement import Judgement, Notes, Project
from .rules_legacy import judge_legacy
from .rules_v1 import judge_v1


def judge(request: Request, project: Project, *, random_bits: int) -> Judgement:
    """Apply every rule to ``request``. ``random_bits`` (74) make the uuid of an event that came without."""
    if request.legacy:
        judgement = judge_legacy(request, project, random_bits=random_bits)
    elif request.v1 and project.v1:
        judgement = judge_v1(request, project)
    else:
        notes = Notes(request)
        notes.refuse("v1_not_served" if request.v1 else "unknown_path", 1, 404, request.path)
        judgement = Judgement(Answer(404), refusals=notes.refusals)
    judgement.answer = dated(judgement.answer, request)
    return judgement


def dated(answer: Answer, request: Request) -> Answer:
    """The answer with the ``Date`` header that every answer carries."""
    date = formatdate(request.received_ns / 1_000_000_000, usegmt=True)
    return Answer(answer.status, (*answer.headers, ("Date", date)), answer.body)
