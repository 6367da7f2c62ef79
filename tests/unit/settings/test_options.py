"""The table of options agrees with the settings, the variables' module and the reference page."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from opentelemetry.exporter.posthog.settings import environment_variables
from opentelemetry.exporter.posthog.settings.model import Settings
from opentelemetry.exporter.posthog.settings.option import Option
from opentelemetry.exporter.posthog.settings.options import BY_NAME, OPTIONS
from opentelemetry.exporter.posthog.settings.reference import page
from opentelemetry.exporter.posthog.settings.sources import resolve

ROOT = Path(__file__).parents[3]
RUNS = {"docs/reference/configuration.md": ("python", "yaml", "sh")}

each_option = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
each_keyword = pytest.mark.parametrize(
    "option", [option for option in OPTIONS if not option.environment_only], ids=lambda option: option.name
)


def test_every_field_of_the_settings_is_decided_by_an_option_and_no_other() -> None:
    decided = {name for option in OPTIONS for name in option.fields}
    assert decided == {field.name for field in fields(Settings)}


def test_no_name_is_given_twice() -> None:
    names = [option.name for option in OPTIONS] + [name for option in OPTIONS for name in option.variables]
    assert len(names) == len(set(names))


def test_defaults_of_the_table_are_the_defaults_of_the_settings() -> None:
    resolution = resolve({"api_key": "phc_1"}, {})
    assert resolution.problems == ()
    assert resolution.settings == Settings(api_key="phc_1", host="https://us.i.posthog.com")


@each_option
def test_the_example_is_usable_and_means_the_same_as_text_and_as_a_value(option: Option) -> None:
    as_text = option.parse(option.text)
    if option.name == "host":  # shows both forms: a region word and a URL
        assert as_text.url == option.parse(option.example).url
    else:
        assert as_text == option.parse(option.example)


@each_option
def test_a_switch_is_off_by_default_and_every_option_is_explained(option: Option) -> None:
    if option.example is True:
        assert option.default == "false"
    for words in (option.sentence, option.effect, option.fix):
        assert words.endswith((".", "plan", "=-", "plan_name")), words


def test_the_module_of_variables_holds_each_variable_of_the_table_and_nothing_else() -> None:
    """``opentelemetry-instrument`` makes a flag of every name in it that starts with OTEL_."""
    held = {
        name: getattr(environment_variables, name) for name in dir(environment_variables) if name.isupper()
    }
    assert held == {option.variable: option.variable for option in OPTIONS}


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("api_key", "OTEL_EXPORTER_POSTHOG_API_KEY"),
        ("timeout_millis", "OTEL_EXPORTER_POSTHOG_TIMEOUT"),
        ("group_interval_millis", "OTEL_EXPORTER_POSTHOG_GROUP_INTERVAL_MILLIS"),
    ],
)
def test_a_variable_is_the_keyword_in_capitals_but_for_the_timeout(name: str, variable: str) -> None:
    assert BY_NAME[name].variable == variable


# -- the reference page -----------------------------------------------------------------------------


def test_the_committed_reference_is_the_generated_one() -> None:
    committed = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    assert committed == page(), "run: python -m opentelemetry.exporter.posthog.settings.reference"


@each_keyword
def test_the_yaml_and_python_examples_of_the_page_mean_the_example_of_the_table(option: Option) -> None:
    section = page().split(f"### `{option.name}`\n", 1)[1].split("\n##", 1)[0]
    (as_yaml,) = re.findall(r"```yaml\n(.*?)\n```", section, re.DOTALL)
    assert yaml.safe_load(as_yaml) == {option.name: option.example}
    (as_python,) = re.findall(r"```python\n(.*?)\n```", section, re.DOTALL)
    call = ast.parse(as_python, mode="eval").body
    assert isinstance(call, ast.Call)
    assert {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords} == {
        option.name: option.example
    }


def test_the_three_long_examples_of_the_page_mean_the_same() -> None:
    shell, as_yaml, as_python = (
        re.search(rf"```{language}\n(.*?)\n```", page(), re.DOTALL) for language in ("sh", "yaml", "python")
    )
    assert shell
    assert as_yaml
    assert as_python
    env = {
        name: value.strip("'")
        for name, value in re.findall(r"(OTEL_EXPORTER_POSTHOG_\w+)=('[^']*'|\S+)", shell[1])
    }
    tree = yaml.safe_load(as_yaml[1].replace("${POSTHOG_API_KEY}", "phc_your_project_api_key"))
    from_yaml = tree["tracer_provider"]["processors"][0]["batch"]["exporter"]["posthog"]
    call = ast.parse(as_python[1]).body[-1]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    from_python = {str(k.arg): ast.literal_eval(k.value) for k in call.value.keywords}
    made = [resolve({}, env), resolve(from_yaml, {}), resolve(from_python, {})]
    assert made[0].settings is not None
    assert made[0].settings == made[1].settings == made[2].settings
    assert [resolution.problems for resolution in made] == [(), (), ()]


# -- cost -------------------------------------------------------------------------------------------


def test_naming_the_variables_loads_nothing_heavy() -> None:
    """Every start of opentelemetry-instrument imports that module, whether PostHog is used or not."""
    code = (
        "import sys, opentelemetry.exporter.posthog.settings.environment_variables\n"
        "print([m for m in ('httpx', 'sqlite3', 'urllib.parse', 'opentelemetry.sdk', 'redis', 'difflib') "
        "if m in sys.modules and m not in before])"
    )
    run = subprocess.run(
        [sys.executable, "-c", "import sys; before = set(sys.modules)\n" + code],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == "[]"
