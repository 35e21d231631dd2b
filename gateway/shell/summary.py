"""The last words of `gateway submit` and `gateway retry`: how many are tagged, and how to go on."""

from pathlib import Path

from gateway.shell.plan import Found
from gateway.shell.report import counted, printable
from gateway.shell.submit import Submission


def last_lines(submission: Submission, found: Found, output: Path | None) -> list[str]:
    """Plain lines for standard output; the last one says how to go on."""
    return [*map(printable, found.passed_over), _outcome(submission, found.total, output)]


def last_line_of_retry(submission: Submission, total: int) -> str:
    told = f"{submission.tagged} of {total} tagged" if submission.follow else f"{counted(total)} tried again"
    return f"{told}; see {_place(submission)}"


def _outcome(submission: Submission, total: int, output: Path | None) -> str:
    if not submission.follow:
        sent = total - len(submission.failures)
        return f"{sent} of {total} sent" + (f"; see {_place(submission)}" if sent else "")
    outcome = f"{submission.tagged} of {total} tagged"
    if not submission.tagged:
        return outcome
    if output:
        return f"{outcome}, copies in {printable(output)}/"
    return f"{outcome}; for copies send with --output DIR, or see {_place(submission)}"


def _place(submission: Submission) -> str:
    """The page of the job, or the list of all jobs; a Unix socket has none."""
    if submission.gateway.base_url.startswith("unix:"):
        return f"job {', '.join(submission.job_ids)}"
    root = submission.gateway.address.rstrip("/")
    if len(submission.job_ids) == 1:
        return f"{root}/batches/{submission.job_ids[0]}"
    return f"{root}/api/v1/batch"
