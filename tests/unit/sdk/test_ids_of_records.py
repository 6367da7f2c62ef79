from __future__ import annotations

from opentelemetry.exporter.posthog.sdk.intake import log_source
from tests.builders import a_log, some_settings


def test_records_that_are_equal_in_every_respect_get_ids_of_their_own_batch_after_batch() -> None:
    together = log_source(some_settings()).translate_together
    assert together is not None
    record = a_log(attributes={"organization.id": "org_42"})
    ids = [
        result.capture.uuid
        for _ in range(4)
        for result in together([record] * 33)
        if result.capture is not None
    ]
    assert len(set(ids)) == len(ids) == 4 * 33
    assert len({each[14:] for each in ids}) == len(ids), "they differ in their random bits, not in their time"
