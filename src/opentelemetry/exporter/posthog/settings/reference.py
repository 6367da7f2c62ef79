"""The configuration reference, made from the option table.

``python -m opentelemetry.exporter.posthog.settings.reference > docs/reference/configuration.md`` writes the
page; a test compares the two. Nothing imports this module at run time.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from .model import PRIVACY_PATTERNS
from .option import PREFIX, Option, Topic
from .options import OPTIONS
from .privacy_policy import KEYS as PRIVACY_KEYS

HEAD = f"""\
<!-- Written by `python -m opentelemetry.exporter.posthog.settings.reference`; change settings/options.py. -->

# Configuration reference

Every option can be given in three ways, under one name:

- **Python**: a keyword of `PostHogSpanExporter` and `PostHogLogExporter`; all are optional.
- **YAML**: a key under `exporter: posthog:` in the file that `OTEL_CONFIG_FILE` names.
- **Environment**: `{PREFIX}` and the name in capitals. One exception: `timeout_millis` is
  `{PREFIX}TIMEOUT`, in milliseconds as the OpenTelemetry specification asks. With
  `opentelemetry-instrument` every variable is a flag too: `--exporter_posthog_api_key`.

A keyword comes before the variable, the variable before PostHog's own one (`POSTHOG_API_KEY`,
`POSTHOG_PROJECT_API_KEY`, `POSTHOG_HOST`), and the default comes last. `null`, `""` and blank text mean "not
given". Switches are on for `true` in any case, and off otherwise. Where a list or a mapping is asked for,
text with commas (`a,b`, `a=1,b=2`) is taken as well.

## The same settings three times

```sh
export OTEL_TRACES_EXPORTER=posthog OTEL_LOGS_EXPORTER=posthog OTEL_METRICS_EXPORTER=none
export OTEL_EXPORTER_POSTHOG_API_KEY=phc_your_project_api_key
export OTEL_EXPORTER_POSTHOG_HOST=eu
export OTEL_EXPORTER_POSTHOG_GROUPS=organization=organization.id,workspace=app.workspace.id
export OTEL_EXPORTER_POSTHOG_SPANS='entry;POST /orgs/{{org_id}}/members=member invited;GET *=-'
export OTEL_EXPORTER_POSTHOG_TIMEOUT=5000
```

```yaml
file_format: "1.1"
tracer_provider:
  processors:
    - batch:
        exporter:
          posthog:
            api_key: ${{POSTHOG_API_KEY}}
            host: eu
            groups: {{organization: organization.id, workspace: app.workspace.id}}
            spans:
              preset: entry
              rules:
                - {{name: "POST /orgs/{{org_id}}/members", event: member invited}}
                - {{name: "GET *", drop: true}}
            timeout_millis: 5000
```

```python
from opentelemetry.exporter.posthog import PostHogSpanExporter

PostHogSpanExporter(
    api_key="phc_your_project_api_key",
    host="eu",
    groups={{"organization": "organization.id", "workspace": "app.workspace.id"}},
    spans={{
        "preset": "entry",
        "rules": [
            {{"name": "POST /orgs/{{org_id}}/members", "event": "member invited"}},
            {{"name": "GET *", "drop": True}},
        ],
    }},
    timeout_millis=5000,
)
```

## When a setting is wrong

No exporter raises for its configuration: under zero-code set-up that would take down the telemetry of all
other exporters. Instead there is **one ERROR** that lists every mistake `[P-SETTINGS-AT-ONCE]`, each with the
name as it was written, the mend, and the shape of the value but never the value `[P-SETTINGS-NO-VALUE]`.

- The exporter stays **inert** (it counts, and sends nothing) only while one of these can't be used:
  {{fatal}} `[P-SETTINGS-INERT]`.
- Any other wrong value takes its default.
- Unknown keywords and unknown `{PREFIX}*` variables are named, with the likely name, and ignored.
- With `disabled` or `OTEL_SDK_DISABLED=true` nothing is said at all.
"""

RULES = """\
### Rules for `spans` and `logs`

A rule selects a signal and names its event, or drops it; the first rule that matches decides, before the
preset does. In the environment entries stand with `;` between them: the first may be a preset, each other is
`<name pattern>=<event name>`, split at its last `=`. `-` drops the signal; nothing after the `=` keeps the
signal's own name. In YAML and Python a rule has these keys, all optional; it matches when all of them do:

| key | meaning |
|---|---|
| `name` | pattern for the span's name or the record's event name; `*` and `?` stand for anything |
| `scope` | pattern for the name of the instrumentation scope |
| `kind` | `server`, `client`, `internal`, `producer` or `consumer` (spans only) |
| `attribute` | `key` (is there) or `key=value` (is there with this value, as text) |
| `event` | the name of the event; not given: the signal's own. Names that start with `$` are PostHog's |
| `drop` | `true`: no event. Not together with `event` |

YAML reads an unquoted `off` as false; that means the preset `off` here.
"""


def page() -> str:
    """The whole reference page, as Markdown."""
    fatal = ", ".join(f"`{option.name}`" for option in OPTIONS if option.fatal)
    parts = [HEAD.replace("{fatal}", fatal), _overview()]
    for topic in Topic:
        parts.append(f"## {topic.value}\n")
        parts.extend(_section(option) for option in OPTIONS if option.topic is topic)
        if topic is Topic.SELECTION:
            parts.append(RULES)
        if topic is Topic.PRIVACY:
            parts.append(_privacy_text())
    return "\n".join(parts)


def _overview() -> str:
    rows = [
        f"| [`{option.name}`](#{option.name}) | `{option.variable}` | {_default(option)} |"
        for option in OPTIONS
    ]
    return "\n".join(["## All options", "", "| option | variable | default |", "|---|---|---|", *rows, ""])


def _section(option: Option) -> str:
    return "\n".join(
        [f"### `{option.name}`", "", option.sentence, "", *_facts(option), "", *_examples(option), ""]
    )


def _facts(option: Option) -> Iterator[str]:
    others = "".join(f", else `{name}`" for name in option.fallbacks)
    yield f"- Variable: `{option.variable}`{others}"
    if option.environment_only:
        yield "- Environment only: it is read before any exporter is made"
    yield f"- Default: {_default(option)}"
    if option.unit:
        yield f"- Unit: {option.unit}"
    yield f"- In PostHog: {option.effect}"
    if option.fatal:
        yield "- A value that can't be used makes the exporter inert"


def _examples(option: Option) -> Iterator[str]:
    yield "```sh"
    yield f"{option.variable}={_shell(option.text)}"
    yield "```"
    if option.environment_only:
        return
    yield "```yaml"
    yield f"{option.name}: {_yaml(option.example)}"
    yield "```"
    yield "```python"
    yield f"PostHogSpanExporter({option.name}={_python(option.example)})"
    yield "```"


def _default(option: Option) -> str:
    return f"`{option.default}`" if option.default else "none"


def _privacy_text() -> str:
    return "\n".join(
        [
            "### Patterns, and the text form of `privacy`",
            "",
            f"Entries with `;` between them, each one `name=value`. Names are {_words(PRIVACY_KEYS)};",
            "`patterns` and `group_properties` take a dot and what they speak of: `patterns.email=hash`,",
            "`group_properties.organization=name,plan`.",
            "",
            f"Patterns: {_words(sorted(PRIVACY_PATTERNS))}. An action is `keep`, `drop` or `hash`.",
            "",
        ]
    )


def _words(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# -- one value in three languages -------------------------------------------------------------------


def _shell(text: str) -> str:
    return text if re.fullmatch(r"[\w@%+=:,./-]+", text, re.ASCII) else f"'{text}'"


def _python(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace(": true", ": True") if value is not True else "True"


def _yaml(value: object) -> str:
    """One line of YAML: plain where that is safe, quoted otherwise."""
    match value:
        case Mapping():
            entries = cast("Mapping[str, object]", value).items()
            return "{" + ", ".join(f"{key}: {_yaml(content)}" for key, content in entries) + "}"
        case list():
            return "[" + ", ".join(_yaml(item) for item in cast("list[object]", value)) + "]"
        case str() if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./ -]*[A-Za-z0-9_]", value):
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(page())
