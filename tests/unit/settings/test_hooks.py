"""Functions that settings name by their import path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from opentelemetry.exporter.posthog.errors import HookError
from opentelemetry.exporter.posthog.settings.hooks import ImportedHook, OptOutChoice, hook, opt_out
from opentelemetry.exporter.posthog.settings.parsing import UnusableError


def test_a_function_is_taken_as_it_is() -> None:
    assert hook(len) is len


def test_a_path_is_imported_at_the_first_call_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_hooks_late.py").write_text("class Hooks:\n    double = staticmethod(lambda n: 2 * n)\n")
    named = hook("shop_hooks_late:Hooks.double")  # the application's path does not exist yet
    monkeypatch.syspath_prepend(tmp_path)
    assert "shop_hooks_late" not in sys.modules
    assert named(21) == 42


def test_a_module_that_fails_is_imported_once_and_never_fails_with_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_hooks_broken.py").write_text(
        "import pathlib\nwith open(pathlib.Path(__file__).with_name('runs'), 'a') as f: f.write('x')\n1 / 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    named = ImportedHook("shop_hooks_broken:f")
    for _ in range(3):
        with pytest.raises(HookError, match="failed to import with ZeroDivisionError"):
            named({})
    assert (tmp_path / "runs").read_text() == "x"


@pytest.mark.parametrize("path", ["json:no_such_function", "json:__name__", "json:JSONDecoder.no.deeper"])
def test_a_path_to_no_function_says_so(path: str) -> None:
    with pytest.raises(HookError, match="has no such function"):
        ImportedHook(path).load()


def test_hooks_of_one_path_are_equal() -> None:
    assert hook("a.b:c") == hook(" a.b:c ")
    assert hook("a.b:c") != hook("a.b:d")
    assert len({hook("a.b:c"), hook("a.b:c")}) == 1


@pytest.mark.parametrize("written", ["shop.hooks", "shop.hooks:", ":f", "shop hooks:f", "a:b:c", 3, ["a:b"]])
def test_anything_else_is_refused(written: object) -> None:
    with pytest.raises(UnusableError, match="neither a function nor an import path"):
        hook(written)


def silence(kind: str, id_: str) -> bool:
    return kind == "user" and id_ == "u1"


@pytest.mark.parametrize(
    ("written", "means"),
    [
        pytest.param("org_1, user 2", OptOutChoice(ids=frozenset({"org_1", "user 2"})), id="ids as text"),
        pytest.param(
            ["org_1", 42], OptOutChoice(ids=frozenset({"org_1", "42"})), id="ids in YAML, numbers too"
        ),
        pytest.param(42, OptOutChoice(ids=frozenset({"42"})), id="one id that YAML reads as a number"),
        pytest.param(silence, OptOutChoice(function=silence), id="a function"),
        pytest.param("a.b:c", OptOutChoice(function=ImportedHook("a.b:c")), id="an import path"),
        pytest.param(
            "auth0:42,", OptOutChoice(ids=frozenset({"auth0:42"})), id="an id with a colon and a comma"
        ),
        pytest.param(
            "auth0:a,auth0:b", OptOutChoice(ids=frozenset({"auth0:a", "auth0:b"})), id="ids with colons"
        ),
    ],
)
def test_opt_out(written: object, means: OptOutChoice) -> None:
    assert opt_out(written) == means
