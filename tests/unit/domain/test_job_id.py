from datetime import timedelta
from uuid import RFC_4122, UUID

from gateway.domain.job_id import new_job_id
from tests.builders import NOW


def test_a_job_id_is_a_uuid_of_version_7_with_its_time():
    job_id = UUID(new_job_id(NOW))
    assert (job_id.version, job_id.variant) == (7, RFC_4122)
    assert job_id.int >> 80 == int(NOW.timestamp() * 1000)


def test_no_two_are_the_same():
    assert len({new_job_id(NOW) for _ in range(1000)}) == 1000


def test_a_later_one_is_greater():
    assert new_job_id(NOW) < new_job_id(NOW + timedelta(milliseconds=1))
