"""Single cases in which a job was once submitted again, given up or called free although its charge was open."""

from typing import Any

from ground import CLUSTER, ID, answer, v1_answer
from progress_kit import (
    ACCEPTED,
    EPOCH,
    GONE,
    PENDING,
    QPS,
    ended,
    id_of,
    lost,
    make,
    page,
    play,
    play_on,
    sharing,
    starved,
)

from volcasr_async import PollPolicy, RetryPolicy
from volcasr_async import errors as e
from volcasr_async.protocol.charge import ServiceFacts
from volcasr_async.protocol.messages import Reply
from volcasr_async.protocol.progress import Progress, Rules


def named(reply: Reply, name: str) -> Reply:
    """The reply, with the id of a request in its header."""
    return Reply(reply.status, {**reply.headers, "x-api-request-id": name}, reply.body)


def in_outage(**policy: Any) -> Progress:
    """A job of a client that has reached the service before, and waits ten minutes for a network that is down."""
    progress = sharing(Rules(RetryPolicy(**policy), PollPolicy(), ServiceFacts(reached=True)))
    progress.outage_s = 600.0
    return progress


OWN_ID = answer(20000000, "OK", {"task_id": "own"})


def test_an_acceptance_that_names_its_task_in_the_header_is_never_sent_again() -> None:
    """It is a reply to another request, but its task id is learned: queries that find nothing then prove nothing."""
    progress = make(attempts=6)
    assert play(progress, named(OWN_ID, "own")) is None
    assert (progress.state, progress.charged, progress.rules.facts.own_task_ids) == ("ask", "maybe", True)
    final = starved(progress)
    assert isinstance(final, e.SubmitUncertain)
    assert (final.charged, progress.sends) == ("maybe", 1)


def test_a_v1_acceptance_may_name_any_request() -> None:
    """v1 sends no request id, so a header of the gateway's is no objection."""
    progress = make(CLUSTER)
    assert play(progress, named(v1_answer(1000, id="t"), "gateway")) is None
    assert (progress.state, progress.charged) == ("wait", "yes")


def test_refusals_for_the_pace_leave_every_attempt_to_a_lost_answer() -> None:
    """They are no losses: after six of them the first lost answer is still followed by another submit."""
    progress = make(attempts=6)
    play(progress, *[QPS] * 6, lost())
    assert play_on(progress) is None
    assert (progress.state, progress.charged) == ("submit", "no")
    assert id_of(progress.call(at=EPOCH)) == ID


def test_an_outage_leaves_every_attempt_to_a_lost_answer() -> None:
    """What could not be sent is no loss either."""
    progress = in_outage(attempts=6)
    play(progress, *[lost("no")] * 8, lost("maybe"))
    assert play_on(progress) is None
    assert progress.state == "submit"


def test_an_outage_leaves_every_try_to_a_bounded_refusal() -> None:
    """A quota type that nobody reported has its own tries."""
    progress = in_outage(attempts=6)
    play(progress, *[lost("no")] * 8)
    assert play(progress, answer(45000292, "quota exceeded for types: moon", status=429)) is None


def test_an_outage_ends_with_the_first_request_that_leaves() -> None:
    """The next one is counted from its own beginning."""
    progress = in_outage(attempts=9)
    play(progress, lost("no"), lost("maybe"))
    play_on(progress)
    assert progress.down_since is None


def test_a_refusal_as_repeated_after_a_lost_answer_leaves_the_doubt() -> None:
    """45000001 may say that the first submit was accepted."""
    progress = make()
    play(progress, lost())
    play_on(progress)
    play(progress, answer(45000001))
    assert progress.charged == "maybe"


def test_a_refusal_as_repeated_is_checked_within_five_seconds() -> None:
    """However many connections had failed before it."""
    progress = make()
    play(progress, *[lost("no")] * 5)
    refused_at = progress.due
    play(progress, answer(45000001))
    final = play_on(progress)
    assert isinstance(final, e.InvalidRequest)
    assert final.charged == "no"
    assert progress.due - refused_at <= 5
    assert progress.asks == 3


def test_pages_that_refuse_the_account_stop_a_batch_on_v1_too() -> None:
    """The error that ends a job as uncertain says that the account was refused, as its cause does."""
    rules = Rules(RetryPolicy(), PollPolicy())
    finals = [ended(sharing(rules, CLUSTER), page(401)) for _ in range(8)]
    assert [one.account_wide for one in finals] == [False] * 5 + [True] * 3


def test_internal_errors_of_an_earlier_doubt_are_not_counted_again() -> None:
    """Each doubt has its own tries."""
    failed = answer(55000000)
    progress = make()
    play(progress, lost(), failed, failed, failed)
    play_on(progress)
    play(progress, lost())
    assert play(progress, failed) is None


def test_a_failure_in_the_body_under_a_running_header_ends_the_task() -> None:
    """A task that failed is not queried until the deadline."""
    final = play(make(), ACCEPTED, answer(20000001, "", {"code": 45000151}))
    assert isinstance(final, e.BadAudioFormat)
    assert final.charged == "yes"


def test_a_success_that_cannot_be_read_is_a_charge() -> None:
    """The answer to a query proves that the task was found, readable or not."""
    progress = make()
    play(progress, ACCEPTED, answer(20000000, "OK", b"<html>"))
    assert progress.charged == "yes"
    asking = make()
    assert play(asking, lost(), answer(20000000, "OK", b"<html>")) is None
    assert asking.charged == "yes"


def test_a_v1_acceptance_without_the_task_s_id_is_a_charge() -> None:
    """Nobody can ask for the task, but it was accepted."""
    final = ended(make(CLUSTER), v1_answer(1000))
    assert final.charged == "yes"


def test_misses_by_the_other_id_are_not_counted_twice() -> None:
    """A task with an id of its own counts as missed once both of its ids were queried."""
    progress = make()
    play(progress, OWN_ID, GONE, PENDING, GONE)
    assert progress.misses == 0
