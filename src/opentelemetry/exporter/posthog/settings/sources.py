"""Keywords and environment in, settings and all problems out. Pure: the environment is a mapping passed in.

An option comes from the keyword (Python or YAML), else from ``OTEL_EXPORTER_POSTHOG_*``, else from PostHog's
own variable, else from its default. ``None`` and blank text mean "not given" everywhere. Every option is
read before anything is said, so that a user mends all mistakes at once.

Inert or not. Without a usable key, host, groups or privacy setting there are no settings, and the exporter
stays inert: it would send to the wrong place, file under the wrong organization, or let out what it was
told to keep in. ``before_send`` and ``opt_out`` decide what is let out, so they are privacy settings. Any
other wrong value takes its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..errors import Problem
from .addresses import Host
from .group_types import rules
from .hooks import OptOutChoice
from .model import CaptureMode, Compression, GroupRule, PrivacyPolicy, Settings
from .option import PREFIX, Option
from .options import BY_NAME, OPTIONS
from .parsing import Mistake, UnusableError, is_given, near_miss
from .privacy_policy import needs_hash_key

SDK_DISABLED = "OTEL_SDK_DISABLED"

KEYWORD, DEFAULT = "keyword", "default"
"""Origins that are no variable's name."""

OTHER_NAMES = {
    "endpoint": "host",
    "url": "host",
    "key": "api_key",
    "token": "api_key",
    "project_api_key": "api_key",
    "project_token": "api_key",
    "timeout": "timeout_millis",
    "group_interval": "group_interval_millis",
}
"""What neighbours call the same thing."""

NO_PREFIXES: Mapping[str, str | None] = MappingProxyType({})

SPOKEN_NAME = 60  # characters of an unknown name that a log line repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What was made of keywords and environment.

    ``settings`` is None when a fatal problem makes the exporter inert. ``origins`` says per option where
    its value came from: ``"keyword"``, the name of a variable, or ``"default"`` (also when what was given
    is not usable; then a problem says so). ``notices`` are single INFO lines. ``values`` holds the parsed
    value of every option, whatever is wrong with others: the pre-instrument hook has no keywords and can't
    know whether the key is in a YAML file.
    """

    settings: Settings | None
    problems: tuple[Problem, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict[str, str])
    notices: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)


def resolve(keywords: Mapping[str, object], env: Mapping[str, str]) -> Resolution:
    """Settings from ``keywords`` and ``env``, or why not. Never raises."""
    reading = _Reading(keywords, env)
    for option in OPTIONS:
        reading.read(option)
    settings = reading.assemble()
    if reading.values["disabled"] or env.get(SDK_DISABLED, "").strip().lower() == "true":
        return _silent(reading, settings, env)
    reading.look_for_unknown_names()
    return Resolution(
        settings=None if any(problem.fatal for problem in reading.problems) else settings,
        problems=tuple(reading.problems),
        origins=MappingProxyType(reading.origins),
        notices=tuple(reading.notices),
        values=MappingProxyType(reading.values),
    )


def _silent(reading: _Reading, settings: Settings, env: Mapping[str, str]) -> Resolution:
    """Switched off: nothing is sent, so nothing needs to be mended now."""
    if not reading.values["disabled"]:
        reading.origins["disabled"] = SDK_DISABLED
        reading.values["disabled"] = True
    return Resolution(
        settings=replace(settings, disabled=True),
        origins=MappingProxyType(reading.origins),
        values=MappingProxyType(reading.values),
    )


class _Reading:
    """One pass over the table: collects values, where they came from, and everything that is wrong."""

    def __init__(self, keywords: Mapping[str, object], env: Mapping[str, str]) -> None:
        self._keywords = keywords
        self._env = env
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.notices: list[str] = []
        self._unusable: set[str] = set()  # options whose value was given and is wrong

    # -- one option ---------------------------------------------------------------------------------

    def read(self, option: Option) -> None:
        """Parse what was given for ``option``; a wrong value is noted and its default taken."""
        self.values[option.name] = _default(option)
        self.origins[option.name] = DEFAULT
        origin, written = self._written(option)
        if origin == DEFAULT:
            if option.name == "api_key":
                self._note(option, Mistake("is not set"), name=option.variable)
            return
        try:
            self.values[option.name] = option.parse(written)
        except UnusableError as error:
            self._unusable.add(option.name)
            for mistake in error.mistakes:
                self._note(option, mistake, name=option.name if origin == KEYWORD else origin)
        else:
            self.origins[option.name] = origin

    def _written(self, option: Option) -> tuple[str, object]:
        if not option.environment_only and is_given(self._keywords.get(option.name)):
            return KEYWORD, self._keywords[option.name]
        for variable in option.variables:
            if is_given(self._env.get(variable)):
                return variable, self._env[variable]
        return DEFAULT, None

    def _note(self, option: Option, mistake: Mistake, *, name: str = "") -> None:
        fix = f"{mistake.fix or option.fix} {meanwhile(option)}"
        self.problems.append(Problem(name or self._name(option), mistake.got, fix, fatal=option.fatal))

    def _name(self, option: Option) -> str:
        """The option as the user wrote it."""
        origin = self.origins[option.name]
        return {KEYWORD: option.name, DEFAULT: option.variable}.get(origin, origin)

    # -- all of them --------------------------------------------------------------------------------

    def assemble(self) -> Settings:
        """Put the values together; where two options can't go together, that is a problem too."""
        values = self.values
        single = {
            option.fields[0]: values[option.name]
            for option in OPTIONS
            if len(option.fields) == 1 and option.fields[0] not in {"host", "groups", "privacy"}
        }
        opt_out: OptOutChoice = values["opt_out"]
        single["compression"] = self._compression()
        return Settings(
            **single,
            host=self._host(),
            groups=self._groups(),
            privacy=self._privacy(),
            opt_out=opt_out.function,
            opt_out_ids=opt_out.ids,
        )

    def _host(self) -> str:
        host: Host = self.values["host"]
        if host.notice:
            self.notices.append(f"{self._name(BY_NAME['host'])}: {host.notice}")
        if host.is_plain_and_remote and not self.values["insecure"]:
            self._note(
                BY_NAME["host"],
                Mistake("is plain http:// to another machine", "Write https://, or set insecure to true."),
            )
        return host.url

    def _groups(self) -> tuple[GroupRule, ...]:
        attributes: Mapping[str, str] = self.values["groups"]
        try:
            return rules(attributes, self.values["group_prefixes"])
        except UnusableError as error:
            self.values["group_prefixes"] = NO_PREFIXES
            if "groups" not in self._unusable:  # else the prefixes may well fit what was meant
                for mistake in error.mistakes:
                    self._note(BY_NAME["group_prefixes"], mistake)
            return rules(attributes, NO_PREFIXES)

    def _privacy(self) -> PrivacyPolicy:
        policy: PrivacyPolicy = self.values["privacy"]
        hash_key: bytes | None = self.values["privacy_hash_key"]
        unknown = len(set(policy.group_properties or ()) - set(self.values["groups"]))
        if unknown and "groups" not in self._unusable:
            self._note(
                BY_NAME["privacy"],
                Mistake(
                    f"limits {unknown} group type{'s' if unknown > 1 else ''} that `groups` does not have",
                    "Use the group types of `groups`.",
                ),
            )
        if needs_hash_key(policy) and hash_key is None and "privacy_hash_key" not in self._unusable:
            self._note(
                BY_NAME["privacy"],
                Mistake("asks for hash, and there is no key to hash with", "Set privacy_hash_key too."),
            )
        return replace(policy, hash_key=hash_key)

    def _compression(self) -> Compression:
        compression: Compression = self.values["compression"]
        if compression is Compression.ZSTD and self.values["capture_mode"] is CaptureMode.LEGACY:
            self._note(
                BY_NAME["compression"],
                Mistake(
                    "is zstd, which the legacy protocol can't read", "Write gzip, or capture_mode v1 or auto."
                ),
            )
            return Compression.GZIP
        return compression

    # -- names that mean nothing --------------------------------------------------------------------

    def look_for_unknown_names(self) -> None:
        """Note every keyword and every variable of ours that no option has, with the likely one."""
        for keyword, value in self._keywords.items():
            option = BY_NAME.get(keyword)
            if option is None:
                guess = _guess(keyword)
                fix = f"Did you mean `{guess.name}`?" if guess else "Remove it."
                self.problems.append(
                    Problem(_spoken(keyword), "is no option of this exporter", f"{fix} It is ignored.")
                )
            elif option.environment_only and is_given(value):
                fix = f"Set {option.variable} in the environment. The keyword is ignored."
                self.problems.append(
                    Problem(keyword, "is read before any exporter is made, so only from the environment", fix)
                )
        variables = {option.variable for option in OPTIONS}
        for variable in sorted(self._env):
            if variable.startswith(PREFIX) and variable not in variables and is_given(self._env[variable]):
                guess = _guess(variable.removeprefix(PREFIX))
                fix = f"Did you mean `{guess.variable}`?" if guess else "Remove it."
                self.problems.append(
                    Problem(_spoken(variable), "is no variable of this exporter", f"{fix} It is ignored.")
                )


def _default(option: Option) -> Any:
    if option.default:
        return option.parse(option.default)
    return _DEFAULTS_WITHOUT_TEXT.get(option.name)


_DEFAULTS_WITHOUT_TEXT: Mapping[str, object] = {
    "api_key": "",
    "event_prefix": "",
    "group_prefixes": NO_PREFIXES,
    "opt_out": OptOutChoice(),
    "person_properties": frozenset[str](),
    "privacy": PrivacyPolicy(),
}
"""Defaults that mean "nothing", which nobody can write since blank text is not given. None for the others."""


def meanwhile(option: Option) -> str:
    """What holds until somebody mends a value."""
    if option.fatal:
        return "Until then this exporter sends nothing."
    return f"Until then the default holds: {option.default or 'none'}."


def _guess(name: object) -> Option | None:
    """The option that somebody who wrote ``name`` may have meant."""
    if not isinstance(name, str):
        return None
    plain = name.lower().replace("-", "_").removeprefix(PREFIX.lower())
    plain = OTHER_NAMES.get(plain, plain)
    if plain in BY_NAME:
        return BY_NAME[plain]
    squeezed = {option.name.replace("_", ""): option for option in OPTIONS}
    if plain.replace("_", "") in squeezed:
        return squeezed[plain.replace("_", "")]
    suggestion = near_miss(plain, BY_NAME)
    return BY_NAME[suggestion.split("`")[1]] if suggestion else None


def _spoken(name: object) -> str:
    """A name that users wrote, fit for one log line."""
    written = str(name) if isinstance(name, str) else "a keyword that is no text"
    return "".join(c if c.isprintable() else "?" for c in written[:SPOKEN_NAME])
