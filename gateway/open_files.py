"""How many files and sockets this process may have open: the soft limit, which it may raise itself up to the hard one.

Supervisors and shells leave the soft one at 1024 for programs that use select(2), which we do not.
"""

import resource


def allow(wanted: int) -> int:
    """Have at least `wanted` allowed, as far as the hard limit goes; how many are allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_enough(soft, wanted):
        return wanted
    raised = wanted if _is_enough(hard, wanted) else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised


def _is_enough(limit: int, wanted: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= wanted
