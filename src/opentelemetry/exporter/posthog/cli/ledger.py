"""``otel-posthog ledger``: what the ledger believes of every group, and how it came to that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import SystemClock
from ..errors import PostHogExporterError
from ..groups.opening import open_store
from ..groups.stamp import PRESENCE, digest_of, from_canonical, time_ns_of
from ..groups.state import NEVER, SECOND, UNKNOWN, GroupState, Property, Terms
from ..model import Group
from ..timestamp import rfc3339
from .environment import usable_settings
from .exits import OK, PROBLEMS, USAGE
from .output import ask, duration, moment, out, out_json, plural, table, talk

if TYPE_CHECKING:
    from ..groups.store import LedgerStore
    from ..settings.model import Settings

ledger_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look at what the exporter believes PostHog knows of every group.",
    epilog="The ledger is that of OTEL_EXPORTER_POSTHOG_LEDGER, else the one beside the outbox.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Type = Annotated[
    str | None, typer.Option("--type", "-t", help="The group type. [default: the first of `groups`]")
]

REQUEST_LIFE = 60 * SECOND
"""As the transport says of its requests; ``forget`` moves no claim, so it decides nothing here."""


def _opened() -> tuple[LedgerStore, Settings]:
    """The service's ledger; ends the command where there is none to look at."""
    settings, _ = usable_settings()
    if settings.ledger == "memory" or not (settings.ledger or settings.outbox):
        talk(
            "This ledger lives in the memory of each process, so nobody else can look at it. "
            "Set OTEL_EXPORTER_POSTHOG_LEDGER to a file or to Redis."
        )
        raise typer.Exit(USAGE)
    try:
        store = open_store(
            settings.ledger,
            outbox=settings.outbox,
            host=settings.host,
            api_key=settings.api_key,
            clock=SystemClock(),
            max_groups=settings.ledger_max_groups,
        )
    except PostHogExporterError as error:
        talk(str(error))
        raise typer.Exit(USAGE) from None
    return store, settings


def _terms(settings: Settings) -> Terms:
    return Terms(round(settings.timeout * SECOND), REQUEST_LIFE, round(settings.group_interval * SECOND))


def _group(key: str, type_: str | None, settings: Settings) -> Group:
    return Group(type_ or settings.groups[0].type, key)


@ledger_app.command()
def show(
    key: Annotated[str, typer.Argument(help="The group's key, such as org_42.")],
    type_: Type = None,
    json_output: Json = False,
) -> None:
    """Show every property of one group: its value, its event time, and whether PostHog has it.

    Values are kept only while they may have to be sent; later there is a digest. Ends with 1 when the ledger
    does not know the group.

    \b
    otel-posthog ledger show org_42
    otel-posthog ledger show acme --type workspace --json
    """
    store, settings = _opened()
    group = _group(key, type_, settings)
    try:
        state = store.show(group)
    finally:
        store.close()
    if state is None:
        talk(f"The ledger does not know {group.type} {group.key}.")
        raise typer.Exit(PROBLEMS)
    if json_output:
        out_json({"type": group.type, "key": group.key, "properties": properties_json(state)})
        return
    out(f"{group.type} {group.key}", style="bold")
    rows = [
        (name, _value(known), rfc3339(time_ns_of(known.want)), standing(known), known.history.service,
         ignored(known))
        for name, known in sorted(state.properties.items())
        if name != PRESENCE
    ]  # fmt: skip
    if rows:
        table(rows, header=("property", "value", "event time", "state", "service", "last older one"))
    else:
        out("no property, only the group itself")
    if waits := _waits(state):
        what = plural(waits, "value") if _waiting(state) - {PRESENCE} else "The group itself is"
        talk(f"{what} waiting to be sent or acknowledged.")


def _waiting(state: GroupState) -> set[str]:
    """Properties that are to be sent or acknowledged, the group itself among them."""
    return {
        name
        for name, known in state.properties.items()
        if known.dirty and (name == PRESENCE or not _is_forgotten(known))
    }


def _waits(state: GroupState) -> int:
    """How many they are; a group that waits without any counts as one."""
    waiting = _waiting(state)
    return len(waiting - {PRESENCE}) or len(waiting)


def _is_forgotten(known: Property) -> bool:
    """Somebody had the ledger forget it after its value was let go: only the next signal can say it again."""
    return known.have == NEVER and known.value is None


def _value(known: Property) -> str:
    return known.value if known.value is not None else f"(digest {digest_of(known.want)})"


def standing(known: Property) -> str:
    """What PostHog is known to hold of a property, in words."""
    if known.refused and not known.dirty:
        return "refused by PostHog"
    if not known.dirty:
        return "confirmed"
    if known.have == UNKNOWN:
        return "being sent, or unknown"
    if _is_forgotten(known):
        return "forgotten, sent when seen next"
    return "to be sent" if known.have == NEVER else "newer than PostHog's"


def ignored(known: Property) -> str:
    """How much older than the wanted value the newest one was that was let go."""
    times = known.history.ignored
    if not times:
        return ""
    seconds = (time_ns_of(known.want) - int(times[:16], 16)) / 1e9
    return f"ignored: older by {duration(max(0.0, seconds))}"


def properties_json(state: GroupState) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": None if known.value is None else from_canonical(known.value),
            "has_value": known.value is not None,
            "digest": digest_of(known.want),
            "time": rfc3339(time_ns_of(known.want)),
            "state": standing(known),
            "confirmed": not known.dirty and not known.refused,
            "service": known.history.service,
            "last_older": rfc3339(int(known.history.ignored[:16], 16)) if known.history.ignored else None,
        }
        for name, known in sorted(state.properties.items())
        if name != PRESENCE
    ]


@ledger_app.command()
def status(json_output: Json = False) -> None:
    """Show what the ledger was good for: updates sent and saved, by all processes that share it.

    An update is saved when a signal named a group and PostHog already had what it said. Processes tell the
    ledger their figures when they talk to it anyway, so the newest may be minutes old; figures told in a call
    whose answer was lost count twice. "groups waiting" have something that PostHog has not acknowledged.

    \b
    otel-posthog ledger status
    """
    store, settings = _opened()
    try:
        totals, waits = store.totals(), store.waiting(_terms(settings))
    finally:
        store.close()
    since = rfc3339(totals.since * 1000) if totals.since else None
    if json_output:
        out_json({"sent": totals.sent, "saved": totals.saved, "since": since, "groups_waiting": waits.dirty})
        return
    out(f"{plural(totals.sent, 'group update')} sent, {totals.saved:,} saved" + _since(totals.since))
    out(f"{plural(waits.dirty, 'group')} waiting")


def _since(micros: int) -> str:
    return f" since {moment(micros * 1000)}" if micros else ""


@ledger_app.command("list")
def list_(
    type_: Annotated[str | None, typer.Option("--type", "-t", help="Only groups of this type.")] = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only groups with something to send.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 1_000,
    json_output: Json = False,
) -> None:
    """List the groups that the ledger knows, by type and key.

    \b
    otel-posthog ledger list --waiting
    """
    store, settings = _opened()
    try:
        groups = sorted(group for group in store.groups() if type_ in (None, group.type))
        rows, more = _listed(store, groups, waiting, limit)
        total = store.waiting(_terms(settings)).dirty
    finally:
        store.close()
    if json_output:
        out_json([{"type": g.type, "key": g.key, "properties": n, "waiting": w} for g, n, w in rows])
    else:
        table([(g.type, g.key, f"{n}", f"{w}") for g, n, w in rows],
              header=("type", "key", "properties", "waiting"))  # fmt: skip
    if more:
        talk("There are more; raise --limit.")
    talk(f"{plural(total, 'group')} with something to send.")


def _listed(
    store: LedgerStore, groups: Iterable[Group], waiting: bool, limit: int
) -> tuple[list[tuple[Group, int, int]], bool]:
    rows: list[tuple[Group, int, int]] = []
    for group in groups:
        state = store.show(group)
        if state is None:
            continue
        dirty = _waits(state)
        if waiting and not dirty:
            continue
        if len(rows) == limit:
            return rows, True
        rows.append((group, sum(name != PRESENCE for name in state.properties), dirty))
    return rows, False


@ledger_app.command()
def forget(
    key: Annotated[str | None, typer.Argument(help="The group's key, such as org_42.")] = None,
    type_: Type = None,
    everything: Annotated[bool, typer.Option("--all", help="All groups.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send a group whole when it is seen next, whatever PostHog was known to have.

    For profiles that were changed or deleted at PostHog. Each group costs one update, or two where its values
    are seen later; no event is touched.

    \b
    otel-posthog ledger forget org_42
    otel-posthog ledger forget --all --yes
    """
    if (key is None) != everything:
        talk("Name one group, or give --all.")
        raise typer.Exit(USAGE)
    store, settings = _opened()
    try:
        if key is None and not yes and not ask("Forget what PostHog knows of all groups?"):
            talk("Nothing was forgotten.")
            raise typer.Exit(USAGE)
        count = store.forget(None if key is None else _group(key, type_, settings), _terms(settings))
    finally:
        store.close()
    out(f"{plural(count, 'group')} forgotten")
    raise typer.Exit(OK if count or key is None else PROBLEMS)
