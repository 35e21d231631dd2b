"""What is remembered of jobs' hosts, and how much."""

from gateway.jobs.fetching.hosts_of_jobs import HostsOfJobs


def test_of_a_job_that_nothing_was_learned_of_no_hosts_are_known():
    assert HostsOfJobs().of("a") is None


def test_the_hosts_learned_last_are_known_none_of_them_too():
    hosts = HostsOfJobs()
    hosts.learn("a", ["x", "y", "x"])
    assert hosts.of("a") == {"x", "y"}
    hosts.learn("a", [])
    assert hosts.of("a") == set()


def test_as_many_hosts_as_the_bound_are_known_then_those_learned_first_are_forgotten():
    hosts = HostsOfJobs(most=3)
    hosts.learn("a", ["x"])
    hosts.learn("b", ["x", "y"])
    assert (hosts.of("a"), hosts.of("b")) == ({"x"}, {"x", "y"})
    hosts.learn("c", [])
    assert (hosts.of("a"), hosts.of("b"), hosts.of("c")) == (None, {"x", "y"}, set())


def test_a_job_that_is_learned_again_is_counted_once():
    hosts = HostsOfJobs(most=2)
    for _ in range(5):
        hosts.learn("a", ["x"])
    hosts.learn("b", ["x"])
    assert hosts.of("a") is not None


def test_a_job_of_more_hosts_than_the_bound_is_not_known():
    hosts = HostsOfJobs(most=2)
    hosts.learn("a", ["x", "y", "z"])
    hosts.learn("b", ["x"])
    assert (hosts.of("a"), hosts.of("b")) == (None, {"x"})
