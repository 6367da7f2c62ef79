"""Values masked, for a screen that others see and for reproductions that are shared. Pure, given a salt.

Property values lose their content and keep their type and length; ids become pseudonyms that stay the same
within one inspector, so that one organization is still told from another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from ..testing.strict_json import is_object

OPEN: Final = frozenset(
    {
        "$lib", "$lib_version", "$is_server", "$geoip_disable", "$process_person_profile", "posthog.actor",
        "$group_type", "$trace_id", "$span_id", "service.name", "service.version",
    }
)  # fmt: skip
"""Properties that say how an event was made, and nothing of whom it is about."""

IDS: Final = frozenset({"$group_key", "$device_id", "$session_id"})

MAPS: Final = frozenset({"$groups", "$group_set", "$set", "$set_once"})


class Mask:
    """Masks under one salt."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def id(self, text: str) -> str:
        """A pseudonym; the group type at the front of a group's own distinct id stays."""
        digest = blake2b(text.encode("utf-8", "replace"), key=self._salt, digest_size=4).hexdigest()
        return f"id·{digest}"

    def value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return f"•••• ({len(value)} characters)"
        if isinstance(value, int | float):
            return "•••• (number)"
        if is_object(value):
            return f"•••• ({len(value)} entries)"
        return f"•••• ({len(value)} items)"

    def properties(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._property(name, value) for name, value in properties.items()}

    def _property(self, name: str, value: Any) -> Any:
        if name in OPEN:
            return value
        if name in IDS or (name.startswith("$group_") and name[7:].isdigit()):
            return self.id(str(value))
        if name == "$groups" and is_object(value):
            return self.groups(value)
        if name in MAPS and is_object(value):
            return {str(key): self.value(inner) for key, inner in value.items()}
        return self.value(value)

    def groups(self, groups: Mapping[Any, Any]) -> dict[str, str]:
        return {str(kind): self.id(str(key)) for kind, key in groups.items()}


class NoMask(Mask):
    """Leaves everything as it is."""

    def __init__(self) -> None:
        super().__init__(b"none")

    def id(self, text: str) -> str:
        return text

    def value(self, value: Any) -> Any:
        return value

    def properties(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        return dict(properties)

    def groups(self, groups: Mapping[Any, Any]) -> dict[str, str]:
        return {str(kind): str(key) for kind, key in groups.items()}


def canonical(value: Any) -> str:
    """One text of a JSON value, to tell equal ones."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
