"""Pages about the account, and a network that is down: what a batch has to outlast."""

from typing import Any

import pytest
from ground import answer
from progress_kit import ACCEPTED, DONE, QPS, ended, lost, make, page, play, sharing

from volcasr_async import PollPolicy, RetryPolicy, Transcript
from volcasr_async import errors as e
from volcasr_async.protocol.charge import MOST_ACCOUNT_PAGES, ServiceFacts
from volcasr_async.protocol.messages import Reply
from volcasr_async.protocol.progress import Progress, Rules

# ---- pages about the account ----


def test_six_pages_in_a_row_are_the_account_s() -> None:
    """A single 401 or 403 page ends nothing; the sixth in a row, while a doubt is asked about, does."""
    progress = make()
    answers = [page(status) for status in (401, 403, 401, 403, 401)]
    assert play(progress, *answers) is None
    assert progress.state == "ask"
    final = ended(progress, page(403))
    assert isinstance(final, e.ResourceNotGranted)
    assert (final.account_wide, final.charged) == (True, "maybe")


def test_pages_of_several_jobs_count_together() -> None:
    """They share one account; an answer of the service to any of them begins the count anew."""
    rules = Rules(RetryPolicy(), PollPolicy())
    jobs = [sharing(rules) for _ in range(MOST_ACCOUNT_PAGES)]
    for job in jobs[:-1]:
        assert play(job, page(401)) is None
    assert play(jobs[-1], ACCEPTED) is None
    assert rules.facts.account_pages == 0
    for job in jobs[:-1]:
        assert play(job, page(401)) is None
    final = ended(jobs[0], page(401))
    assert final.account_wide


def test_pages_end_no_accepted_task() -> None:
    """It is charged and queried until its deadline; nobody tells what the gateway is about."""
    progress = make()
    assert play(progress, ACCEPTED, *[page(401)] * 50) is None
    assert (progress.state, progress.charged) == ("wait", "yes")
    assert isinstance(play(progress, DONE), Transcript)


# ---- an outage of the network ----


def outage(facts: ServiceFacts, seconds: float, **policy: Any) -> Progress:
    progress = sharing(Rules(RetryPolicy(**policy), PollPolicy(), facts))
    progress.outage_s = seconds
    return progress


def cut_off(progress: Progress) -> tuple[float, e.VolcASRError]:
    """How long the job tries while no connection can be opened, and what it ends with."""
    end, tries = None, 0
    while end is None:
        end, tries = play(progress, lost("no")), tries + 1
        assert tries < 1000
    assert isinstance(end, e.VolcASRError)
    return progress.due, end


def test_an_outage_uses_up_no_attempts() -> None:
    """As long as `outage_s`, where the service had answered before; then the job ends, and nothing was charged."""
    seconds, final = cut_off(outage(ServiceFacts(reached=True), 600.0, attempts=3))
    assert 600.0 <= seconds <= 635.0
    assert (type(final), final.charged) == (e.TransportError, "no")


@pytest.mark.parametrize(("reached", "outage_s"), [(False, 600.0), (True, 0.0)])
def test_a_wrong_address_and_a_single_call_end_after_their_attempts(reached: bool, outage_s: float) -> None:
    """An address that never answered may be wrong, and a single call does not wait for the network."""
    progress = outage(ServiceFacts(reached=reached), outage_s, attempts=3)
    seconds, final = cut_off(progress)
    assert progress.sends == 3
    assert seconds < 5.0
    assert final.charged == "no"


def test_a_job_goes_on_after_an_outage() -> None:
    """Its submit is sent as if nothing had been."""
    progress = outage(ServiceFacts(reached=True), 600.0, attempts=2)
    assert play(progress, *[lost("no")] * 12) is None
    assert progress.charged == "no"
    assert isinstance(play(progress, ACCEPTED, DONE), Transcript)


def test_any_answer_is_a_sign_of_the_service() -> None:
    """A refusal, a page and an unreadable reply, too."""
    for reply in (QPS, page(502), Reply(200, {}, b"?"), ACCEPTED):
        rules = Rules(RetryPolicy(), PollPolicy())
        assert not rules.facts.reached
        play(sharing(rules), reply)
        assert rules.facts.reached


def test_an_outage_ends_with_the_first_answer() -> None:
    """The next one has its whole time."""
    progress = outage(ServiceFacts(reached=True), 100.0, attempts=3)
    while progress.due < 90.0:
        assert play(progress, lost("no")) is None
    assert play(progress, QPS) is None
    began = progress.due
    seconds, _ = cut_off(progress)
    assert 100.0 <= seconds - began <= 135.0


def test_a_new_task_has_its_own_outage() -> None:
    """One that was outlasted before its first task does not count for its second."""
    progress = outage(ServiceFacts(reached=True), 100.0, attempts=3, new_tasks=1)
    while progress.due < 90.0:
        assert play(progress, lost("no")) is None
    assert play(progress, ACCEPTED, answer(55001010)) is None
    began = progress.due
    seconds, _ = cut_off(progress)
    assert 100.0 <= seconds - began <= 135.0


def test_an_outage_while_a_task_is_queried_costs_no_task() -> None:
    """Queries are repeated in any case."""
    progress = outage(ServiceFacts(reached=True), 1.0, attempts=2)
    assert play(progress, ACCEPTED, *[lost("no")] * 100) is None
    assert isinstance(play(progress, DONE), Transcript)
