"""The blocks of the guides for production hold together, and the exporter does what they promise."""

from __future__ import annotations

import re
import stat
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.docs.blocks import ROOT, code_of
from tests.docs.guide_runs import HOST, HOW_TO, emit, exports_of, instrumented

from opentelemetry.exporter.posthog import PostHogSpanExporter
from opentelemetry.exporter.posthog.settings.sources import resolve
from opentelemetry.exporter.posthog.testing import PostHogDouble, capturing

RUNS = {
    "docs/how-to/hosts.md": ("console",),
    "docs/how-to/kubernetes.md": ("yaml",),
    "docs/how-to/privacy-and-opt-out.md": ("python", "console"),
    "docs/how-to/several-projects.md": ("python", "yaml", "console"),
}
KEY = "OTEL_EXPORTER_POSTHOG_API_KEY"


# -- Kubernetes -------------------------------------------------------------------------------------------


def manifests() -> tuple[dict[str, Any], dict[str, Any]]:
    (text,) = code_of(HOW_TO + "kubernetes.md", "yaml")
    deployment, secret = yaml.safe_load_all(text)
    return deployment, secret


def pod() -> tuple[dict[str, Any], dict[str, Any]]:
    deployment, _ = manifests()
    template = deployment["spec"]["template"]
    (container,) = template["spec"]["containers"]
    return template, container


def container_environment() -> dict[str, str]:
    """As the container gets it, with what the secret holds."""
    _, secret = manifests()
    found: dict[str, str] = {}
    for entry in pod()[1]["env"]:
        if "value" in entry:
            assert isinstance(entry["value"], str), f"{entry['name']}: the API server takes text only"
            found[entry["name"]] = entry["value"]
        else:
            reference = entry["valueFrom"]["secretKeyRef"]
            assert reference["name"] == secret["metadata"]["name"]
            found[entry["name"]] = secret["stringData"][reference["key"]]
    return found


def test_the_manifest_holds_together() -> None:
    deployment, _ = manifests()
    template, container = pod()

    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert labels.items() <= template["metadata"]["labels"].items()
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert all(isinstance(word, str) for word in container["command"])


def test_the_settings_of_the_manifest_are_settings_of_the_exporter() -> None:
    env = container_environment()
    resolution = resolve({}, env)

    assert resolution.problems == ()
    assert resolution.settings is not None
    (mount,) = pod()[1]["volumeMounts"]
    assert Path(env["OTEL_EXPORTER_POSTHOG_OUTBOX"]).parent == Path(mount["mountPath"])


def test_the_grace_is_long_enough_for_the_last_requests_and_two_exports() -> None:
    template, container = pod()
    resolution = resolve({}, container_environment())
    command = container["command"]
    last_requests = int(command[command.index("--graceful-timeout") + 1])

    assert resolution.settings is not None
    last_exports = 2 * resolution.settings.timeout
    assert template["spec"]["terminationGracePeriodSeconds"] > last_requests + last_exports


def test_the_volume_is_larger_than_the_outbox_may_become() -> None:
    template, _ = pod()
    resolution = resolve({}, container_environment())
    (volume,) = template["spec"]["volumes"]
    mebibytes = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi"))

    assert resolution.settings is not None
    assert mebibytes * 2**20 > resolution.settings.outbox_max_bytes + 17 * 2**20


@contextmanager
def spans_to(double: PostHogDouble, **options: Any) -> Generator[TracerProvider]:
    exporter = PostHogSpanExporter(api_key="phc_guide", host=double.url, **options)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def test_an_outbox_below_a_mount_that_all_may_write_to_is_taken_and_the_mount_itself_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mount = tmp_path / "posthog"
    mount.mkdir()
    mount.chmod(0o777)
    with PostHogDouble.listening() as double:
        with spans_to(double, outbox=str(mount / "outbox")) as provider:
            emit(provider, "below", **{"organization.id": "org_42"})
        assert stat.S_IMODE((mount / "outbox").stat().st_mode) == 0o700
        assert "can be written by others" not in caplog.text

        with spans_to(double, outbox=str(mount), event_prefix="") as provider:
            emit(provider, "itself", **{"organization.id": "org_42"})
        assert "can be written by others" in caplog.text


# -- hosts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("us", "https://us.i.posthog.com"),
        ("eu", "https://eu.i.posthog.com"),
        ("https://eu.posthog.com", "https://eu.i.posthog.com"),
        ("https://posthog.example", "https://posthog.example"),
        ("https://shop.example/ingest", "https://shop.example/ingest"),
        ("http://127.0.0.1:8009", "http://127.0.0.1:8009"),
    ],
)
def test_each_host_of_the_page_is_what_the_page_says(written: str, url: str) -> None:
    assert f"`{written}`" in (ROOT / HOW_TO / "hosts.md").read_text()
    resolution = resolve({}, {HOST: written, KEY: "phc_any"})

    assert resolution.problems == ()
    assert resolution.settings is not None
    assert resolution.settings.host == url


class ReverseProxy(BaseHTTPRequestHandler):
    """Passes on what stands below a path, as the nginx of the page does."""

    protocol_version = "HTTP/1.1"
    upstream = ""

    def do_POST(self) -> None:
        assert self.path.startswith("/ingest/")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        there = Request(f"{self.upstream}/{self.path.removeprefix('/ingest/')}", body, dict(self.headers))
        with urlopen(there, timeout=10) as answer:
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {
                    "content-length",
                    "transfer-encoding",
                    "connection",
                    "date",
                    "server",
                }:
                    self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None: ...


def test_events_arrive_through_a_reverse_proxy_under_a_path() -> None:
    with PostHogDouble.listening() as double:
        handler = type("Proxy", (ReverseProxy,), {"upstream": double.url})
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            exporter = PostHogSpanExporter(
                api_key="phc_guide", host=f"http://127.0.0.1:{proxy.server_port}/ingest"
            )
            provider = TracerProvider(shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            emit(provider, "order paid", **{"organization.id": "org_42"})
            provider.shutdown()
        finally:
            proxy.shutdown()
            proxy.server_close()
            thread.join()

        assert [event.name for event in double.events] == ["order paid"]
        assert not double.refused


# -- several projects -------------------------------------------------------------------------------------


def test_an_organization_is_in_its_own_project_only(tmp_path: Path) -> None:
    first, second = code_of(HOW_TO + "several-projects.md", "python")
    with PostHogDouble.listening() as europe, PostHogDouble.listening() as america:
        code = first.replace('"eu"', repr(europe.url)).replace('"us"', repr(america.url))
        names: dict[str, Any] = {}
        exec(compile(code + second, "several-projects", "exec", flags=0, dont_inherit=True), names)
        provider = names["provider"]
        for org in ("org_paris", "org_boston"):
            emit(provider, f"work of {org}", **{"organization.id": org, "organization.name": org})
        emit(provider, "cache warmed", **{"posthog.event": "cache warmed"})
        provider.force_flush()
        provider.shutdown()

        assert {event.name for event in europe.events} == {"work of org_paris", "cache warmed"}
        assert {event.name for event in america.events} == {"work of org_boston", "cache warmed"}
        assert list(europe.groups) == [("organization", "org_paris")]
        assert list(america.groups) == [("organization", "org_boston")]
        assert names["grouped_only"]({"groups": {}}) is None
        assert names["grouped_only"]({"groups": {"organization": "org_42"}}) is not None


BOTH_ORGANIZATIONS = """
from opentelemetry import trace

tracer = trace.get_tracer("shop")
for org in ("org_paris", "org_boston"):
    tracer.start_span("work", attributes={"organization.id": org}).end()
"""


def test_the_file_does_the_same(tmp_path: Path) -> None:
    first, _ = code_of(HOW_TO + "several-projects.md", "python")
    (tmp_path / "routing.py").write_text(first[first.index("IN_EUROPE") : first.index("provider =")])
    (text,) = code_of(HOW_TO + "several-projects.md", "yaml")
    assert "/var/lib/shop" in text
    with PostHogDouble.listening() as europe, PostHogDouble.listening() as america:
        text = text.replace("host: eu", f'host: "{europe.url}"').replace("host: us", f'host: "{america.url}"')
        file = tmp_path / "otel.yaml"
        file.write_text(text.replace("/var/lib/shop", str(tmp_path)))
        said = instrumented(BOTH_ORGANIZATIONS, tmp_path, {"OTEL_CONFIG_FILE": str(file)})

        assert "ERROR" not in said
        assert [event.groups for event in europe.events] == [{"organization": "org_paris"}]
        assert [event.groups for event in america.events] == [{"organization": "org_boston"}]
        assert (tmp_path / "eu/ledger.db").exists()
        assert (tmp_path / "us/ledger.db").exists()


def test_before_send_is_no_switch_for_routing() -> None:
    """As the page warns: the profile is written all the same."""

    def drop(event: object) -> None:
        return None

    with capturing(before_send=drop) as captured:
        emit(captured.tracer_provider, "work", **{"organization.id": "acme", "organization.name": "Acme"})

        assert captured.events == []
        assert captured.organization("acme").properties == {"name": "Acme"}


def test_events_say_the_environment_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = exports_of(HOW_TO + "several-projects.md")["OTEL_RESOURCE_ATTRIBUTES"]
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", resource)
    with capturing() as captured:
        provider = TracerProvider(resource=Resource.create(), shutdown_on_exit=False)
        captured.attach(provider)
        emit(provider, "work", **{"organization.id": "org_42"})

        assert [e.properties["deployment.environment.name"] for e in captured.events] == ["staging"]


# -- privacy ----------------------------------------------------------------------------------------------


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A capture under exactly the settings of the page, with its functions importable."""
    consent, scrub = code_of(HOW_TO + "privacy-and-opt-out.md", "python")
    (tmp_path / "consent.py").write_text(consent)
    (tmp_path / "scrub.py").write_text(scrub)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name, value in exports_of(HOW_TO + "privacy-and-opt-out.md").items():
        monkeypatch.setenv(name, value)
    with capturing() as captured:
        yield captured


def test_only_what_is_listed_reaches_the_profile_and_nothing_else_the_event(private: Any) -> None:
    emit(
        private.tracer_provider,
        "work",
        **{
            "organization.id": "acme",
            "organization.name": "Acme",
            "organization.seats": 5,
            "organization.phase_of_moon": "full",
            "shop.note": "call back",
            "contact.email": "ada@acme.example",
            "http.url": "https://ada:pw@acme.example/?token=1",
            "invite.role": "admin",
        },
    )

    (event,) = private.events
    assert private.organization("acme").properties == {"name": "Acme", "seats": 5}
    own = {
        name
        for name in event.properties
        if name[0] != "$" and not name.startswith(("otel", "span", "service"))
    }
    assert own == {
        "organization.id",
        "organization.name",
        "organization.seats",
        "contact.email",
        "posthog.actor",
    }
    assert re.fullmatch(r"[0-9a-f]{32,}", event.properties["contact.email"].rpartition(":")[2])


def test_who_opted_out_is_silenced_and_others_are_not(private: Any) -> None:
    tracers = private.tracer_provider
    emit(tracers, "quiet", **{"organization.id": "org_quiet", "organization.name": "Quiet"})
    emit(tracers, "shy", **{"organization.id": "acme", "user.id": "u_shy"})
    emit(tracers, "loud", **{"organization.id": "acme", "user.id": "u_ada"})

    assert [event.name for event in private.events] == ["loud"]
    assert list(private.groups["organization"]) == ["acme"]
    assert [item.reason for item in private.not_exported] == ["opted_out", "opted_out"]


def test_before_send_of_the_page_drops_and_changes(private: Any) -> None:
    emit(private.tracer_provider, "payroll viewed", **{"organization.id": "acme"})
    emit(private.tracer_provider, "invited", **{"organization.id": "acme", "invite.role": "admin"})

    (event,) = private.events
    assert event.name == "invited"
    assert "invite.role" not in event.properties
