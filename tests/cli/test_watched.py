"""What Grafana and Prometheus are given in `deploy` asks for what a service tells."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.settings import sql_directory
from tests.cli.test_shutdown import ask, serving, token_at
from tests.support.fixtures import Hearth
from tests.support.load import Load, get

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

ROOT = sql_directory().parent
DASHBOARD = json.loads((ROOT / "deploy/grafana-dashboard.json").read_text("utf-8"))
(GROUP,) = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text("utf-8"))["groups"]
GUIDE = (ROOT / "docs/guide/operations.md").read_text("utf-8")

# What Prometheus itself gives each series.
OF_PROMETHEUS = {"instance", "job"}

# Values of which a service that is well has no series yet.
VALUES = {"status": {"5.."}}

Told = Mapping[str, Mapping[str, set[str]]]


def _expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in DASHBOARD["templating"]["list"]:
        yield variable["query"]
    yield from (rule["expr"] for rule in GROUP["rules"])


def _told(text: str) -> Told:
    """Return of each metric its labels, with the values that they have."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found[sample.name]
            for name, value in sample.labels.items():
                labels[name].add(value)
    return found


def _unknown(expression: str, told: Told) -> list[str]:
    """Return what an expression names and nobody tells: metrics, labels, values of labels."""
    wrong = []
    metrics = re.findall(r"\b(hearth_\w+)(?:\{([^}]*)\})?", expression)
    labels = {label for name, _ in metrics for label in told.get(name, ())} | OF_PROMETHEUS
    for name, matchers in metrics:
        if name not in told:
            wrong.append(name)
            continue
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            values = {*told[name].get(label, ()), *VALUES.get(label, ())}
            if label not in OF_PROMETHEUS and value not in values:
                wrong.append(f"{name}{{{label}={value!r}}}")
    for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
        wrong += [label for label in re.split(r",\s*", grouping) if label not in labels]
    return wrong


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
async def test_the_dashboard_and_the_alerts_name_what_a_service_tells(
    own_hearth: Hearth, options: tuple[str, ...]
) -> None:
    with serving(own_hearth, *options) as (_, port):
        load = Load(lambda: port, [get("/v1/tasks", await token_at(port))], clients=4)
        await load.until(answered=20)
        await load.stop()
        # Workers tell of their pools once a second, and of their health once they are well.
        async with asyncio.timeout(30):
            while True:
                text = (await ask(port, "/metrics"))[2].decode()
                told = _told(text)
                if told["hearth_pool_connections"] and told["hearth_health_transitions_total"]:
                    break

    wrong = {expression: _unknown(expression, told) for expression in _expressions()}
    assert {expression: names for expression, names in wrong.items() if names} == {}
    # And the other way round: what is told is explained, and has a unit or is a number of things.
    ours = {name for name in told if name.startswith("hearth_")}
    families = {re.sub("_(count|sum|bucket)$", "", name) for name in ours}
    assert [name for name in sorted(families) if f"`{name}`" not in GUIDE] == []


def test_a_name_that_nobody_tells_is_found() -> None:
    told = _told('hearth_a_total{which="x"} 1\n')

    assert _unknown('sum by (which, instance) (rate(hearth_a_total{which="x"}[5m]))', told) == []
    assert _unknown("hearth_b_total", told) == ["hearth_b_total"]
    assert _unknown('hearth_a_total{which="y"}', told) == ["hearth_a_total{which='y'}"]
    assert _unknown('hearth_a_total{what="x"}', told) == ["hearth_a_total{what='x'}"]
    assert _unknown("sum by (what) (hearth_a_total)", told) == ["what"]


def test_each_alert_says_what_is_wrong_and_how_bad_that_is() -> None:
    for rule in GROUP["rules"]:
        assert rule.keys() - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"].keys() == {"summary"}
        assert f"`{rule['alert']}`" in GUIDE
    names = [rule["alert"] for rule in GROUP["rules"]]
    assert len(set(names)) == len(names)


def test_each_test_that_the_guide_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", GUIDE))
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    there = {name for text in sources for name in re.findall(r"def (test_\w+)\(", text)}

    assert len(named) > 10
    assert named - there == set()
