from prometheus_client import generate_latest

from gateway.telemetry.instruments import ANY, MOST_VALUES, Instruments
from tests.recording_agent import RecordingAgent


def shown(instruments: Instruments) -> str:
    return generate_latest(instruments.registry).decode()


def test_a_counter_is_told_at_both_doors_under_one_name() -> None:
    agent = RecordingAgent()
    instruments = Instruments(agent)
    instruments.counters("jobs_ended_total", "Jobs.", status=("completed", "failed")).of(status="failed").add(
        3
    )
    assert 'gateway_jobs_ended_total{status="failed"} 3.0' in shown(instruments)
    assert agent.told == [("increment", "jobs_ended_total", 3, ["status:failed"])]


def test_a_gauge_is_told_at_both_doors_with_its_new_value() -> None:
    agent = RecordingAgent()
    instruments = Instruments(agent)
    connections = instruments.gauge("connections", "Connections.")
    connections.add(1)
    connections.add(1)
    connections.add(-1)
    assert "gateway_connections 1.0" in shown(instruments)
    assert [told[2] for told in agent.told] == [1, 2, 1]


def test_a_gauge_that_says_yes_or_no_is_told_as_a_number() -> None:
    agent = RecordingAgent()
    Instruments(agent).gauge("ready", "Whether it is.").set(True)
    assert [str(told[2]) for told in agent.told] == ["1"]


def test_a_histogram_is_told_at_both_doors() -> None:
    agent = RecordingAgent()
    instruments = Instruments(agent)
    instruments.histogram("publish_seconds", "Seconds.", buckets=(0.1, 1)).observe(0.5)
    assert 'gateway_publish_seconds_bucket{le="1.0"} 1.0' in shown(instruments)
    assert agent.told == [("histogram", "publish_seconds", 0.5, [])]


def test_what_was_counted_never_is_shown_as_0() -> None:
    instruments = Instruments()
    instruments.counters("jobs_ended_total", "Jobs.", status=("completed", "failed"))
    assert 'gateway_jobs_ended_total{status="failed"} 0.0' in shown(instruments)


def test_a_gauge_that_was_never_set_is_not_told_again() -> None:
    agent = RecordingAgent()
    instruments = Instruments(agent)
    instruments.gauge("unknown", "Never set.")
    instruments.gauge("known", "Set.").set(2)
    instruments.repeat_gauges()
    assert [told[1:3] for told in agent.told] == [("known", 2), ("known", 2)]


def test_a_value_that_a_label_does_not_have_is_counted_as_other() -> None:
    instruments = Instruments()
    codes = instruments.counters("failures_total", "Failures.", code=("damaged", "other"))
    codes.of(code="https://example.com/?token=x").add()
    assert 'code="other"} 1.0' in shown(instruments)
    assert "example.com" not in shown(instruments)


def test_a_label_that_takes_any_value_takes_only_so_many() -> None:
    instruments = Instruments()
    requests = instruments.counters("requests_total", "Requests.", route=ANY)
    for number in range(10 * MOST_VALUES):
        requests.of(route=f"/{number}").add()
    assert shown(instruments).count("gateway_requests_total{") == MOST_VALUES + 1
    assert f'route="other"}} {9 * MOST_VALUES}.0' in shown(instruments)


def test_labels_in_any_order_name_the_same_instrument() -> None:
    requests = Instruments().counters("requests_total", "Requests.", method=ANY, route=ANY)
    assert requests.of(method="a", route="b") is requests.of(route="b", method="a")


def test_seconds_are_observed_also_of_what_fails() -> None:
    agent = RecordingAgent()
    histogram = Instruments(agent).histogram("publish_seconds", "Seconds.", buckets=(1,))
    try:
        with histogram.timed():
            raise KeyError
    except KeyError:
        pass
    assert [told[0] for told in agent.told] == ["histogram"]
