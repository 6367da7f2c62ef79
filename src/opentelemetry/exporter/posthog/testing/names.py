"""Names that PostHog acts on, as its ingestion lists them."""

from __future__ import annotations

LIFTED = frozenset(
    {
        "$app_build", "$app_name", "$app_namespace", "$app_version", "$browser", "$browser_version",
        "$device_type", "$current_url", "$pathname", "$os", "$os_name", "$os_version", "$referring_domain",
        "$referrer", "$screen_height", "$screen_width", "$viewport_height", "$viewport_width",
        "$raw_user_agent",
    }
)  # fmt: skip
"""Copied from any personful event onto its person."""

CAMPAIGN = frozenset(
    {
        "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_name", "utm_term", "gclid",
        "gad_source", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "li_fat_id",
        "mc_cid", "igshid",
        "ttclid", "rdt_cid", "irclid", "_kx", "epik", "qclid", "sccid",
    }
)  # fmt: skip
"""Copied onto the person too, although they have no ``$``."""

SERVER_SIDE = frozenset({"$os", "$os_version"})
"""With ``$is_server`` these describe the server and are not copied onto the person."""

RESERVED = frozenset(
    {
        "distinct_id", "$distinct_id", "token", "api_key", "$token", "$device_id", "$anon_distinct_id",
        "alias",
        "$user_id", "$cookieless_mode", "$ignore_sent_at", "$product_tour_id", "capture_internal",
        "historical_migration", "$set_once", "$unset", "$group_0", "$group_1", "$group_2", "$group_3",
        "$group_4", "$ip", "$sent_at", "$insert_id", "$window_id", "$debug_images", "$cymbal_errors",
        "ph_product_tours", "$product_tours_activated", "$override_feature_flag_payloads",
    }
)  # fmt: skip
"""Never sent by an exporter of telemetry, whatever the event."""

RESERVED_PREFIXES = ("$initial_", "$geoip_", "$ai_gateway")

OWN = frozenset({"$geoip_disable"})
"""Sent by exporters although a reserved prefix covers it."""

PLACED_BY_V1 = frozenset(
    {"distinct_id", "$window_id", "$cookieless_mode", "$ignore_sent_at", "$product_tour_id"}
)
"""On v1 these have a field or an option of their own, which PostHog writes into the properties."""

GROUP_UPDATE_ONLY = frozenset({"$group_type", "$group_key", "$group_set"})

PERSON_KEYS = ("$set", "$set_once", "$unset")

SURVEY_EVENTS = frozenset({"survey sent", "survey shown", "survey dismissed"})

RESERVED_EVENTS = SURVEY_EVENTS | {
    "$identify", "$create_alias", "$merge_dangerously", "$set", "$snapshot", "$performance_event",
    "$$heatmap", "$$client_ingestion_warning",
}  # fmt: skip
"""Event names with effects that no exporter of telemetry sends."""

MERGE_EVENTS = frozenset({"$identify", "$create_alias", "$merge_dangerously"})

ILLEGAL_IDS = frozenset(
    {
        "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "anonymous-user",
        "backend", "distinct_id", "distinctid", "email", "false", "guest", "id", "nan", "none",
        "not_authenticated", "null", "system", "true", "undefined", "user",
    }
)  # fmt: skip
"""Distinct ids that name nobody, in any case: v1 stores their events without person and groups."""

UNMERGEABLE_IN_ANY_CASE = frozenset(
    {
        "anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined",
        "true", "false",
    }
)  # fmt: skip
UNMERGEABLE = frozenset({"[object Object]", "NaN", "None", "none", "null", "0", "undefined", ""})
"""Distinct ids by which persons are never merged."""

FLAG_KEYS = frozenset(
    {
        "$feature_flag", "$feature_flag_response", "locally_evaluated", "$feature_flag_request_id",
        "$feature_flag_evaluated_at", "$feature_flag_reason", "$feature_flag_version", "$feature_flag_id",
        "$feature_flag_payload", "$feature_flag_error", "$groups", "$session_id", "$set", "$set_once",
        "$process_person_profile", "$ip",
    }
)  # fmt: skip
FLAG_PREFIXES = ("$feature/", "$initial_", "$session_entry_", "$lib", "$geoip_", "$group_")
"""What ``$feature_flag_called`` keeps when its response is no string."""

EXEMPT_LIBRARIES = frozenset({"posthog-python", "posthog-node", "posthog-js", "web", "posthog-ios"})
"""Libraries (an excerpt of PostHog's list) whose uuids need not be version 7."""
