"""What an earlier run means for this one, as a table."""

from typing import Any

import pytest

from volcasr_async import AudioUrl, Idle, Job, Options, Standard
from volcasr_async.batch.resume import Situation, decide, fingerprint_of, situation_of
from volcasr_async.editions import Edition
from volcasr_async.job import prepare
from volcasr_async.journal import STATES, Entry, State
from volcasr_async.models import Task

# What is charged, or may be, is queried ("verify", "wait"), reported ("uncertain"), or submitted again with permission only.
# "only": queries that find nothing lead to no submit without permission. "again" is a new task, which can be charged again.
COLUMNS = [  # can be queried (standard, idle), older than the service keeps results, permitted
    (True, False, False), (True, True, False), (True, False, True), (True, True, True),
    (False, False, False), (False, True, False), (False, False, True), (False, True, True),
]  # fmt: skip
UNKNOWN = ["verify only"] * 4 + ["uncertain"] * 2 + ["again"] * 2
TABLE: dict[tuple[State | None, str, bool], list[str]] = {
    # state, charged, has a task
    (None, "no", False): ["submit"] * 8,
    ("planned", "no", False): ["submit"] * 8,
    ("planned", "maybe", False): UNKNOWN,
    ("planned", "yes", False): UNKNOWN,
    ("sent", "maybe", True): ["verify", "verify only"] * 2 + ["uncertain"] * 2 + ["again"] * 2,
    ("sent", "maybe", False): ["verify", "verify only"] * 2 + ["uncertain"] * 2 + ["again"] * 2,
    ("sent", "yes", True): ["verify", "verify only"] * 2 + ["uncertain"] * 2 + ["again"] * 2,
    ("accepted", "yes", True): ["wait"] * 8,
    ("accepted", "yes", False): UNKNOWN,
    ("done", "yes", True): ["deliver"] * 8,
    ("done", "yes", False): ["deliver"] * 8,
    ("failed", "no", False): ["submit"] * 8,
    ("failed", "maybe", True): UNKNOWN,
    ("failed", "maybe", False): UNKNOWN,
    ("failed", "yes", True): ["again"] * 8,
    ("uncertain", "maybe", True): UNKNOWN,
    ("uncertain", "maybe", False): UNKNOWN,
    ("uncertain", "yes", True): UNKNOWN,
    ("missing", "yes", True): ["wait"] * 8,
    ("missing", "yes", False): UNKNOWN,
}
CELLS = [
    (state, charged, has_task, column, expected)
    for (state, charged, has_task), row in TABLE.items()
    for column, expected in zip(COLUMNS, row, strict=True)
]


def situation(
    state: State | None, charged: Any, has_task: bool, column: tuple[bool, bool, bool], **more: Any
) -> Situation:
    can_query, is_expired, permitted = column
    return Situation(
        state=state,
        charged=charged,
        has_task=has_task,
        can_query=can_query,
        is_expired=is_expired,
        permitted=permitted,
        **more,
    )


def word(about: Situation) -> str:
    """Name a decision as the tables here do."""
    decided = decide(about)
    words = {
        "submit again": "again", "verify again": "verify next", "report uncertain": "uncertain", "refuse changed": "changed",
    }  # fmt: skip
    only = " only" if decided.action == "verify" and not decided.may_submit else ""
    return words.get(decided.action, decided.action) + only


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_cell(cell: tuple[State | None, str, bool, tuple[bool, bool, bool], str]) -> None:
    """State, charge, task, edition, age and permission decide."""
    state, charged, has_task, column, expected = cell
    assert word(situation(state, charged, has_task, column)) == expected


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_cell_redone(cell: tuple[State | None, str, bool, tuple[bool, bool, bool], str]) -> None:
    """Redo applies to every state: what may be charged goes as a new task, the rest under its own request id."""
    state, charged, has_task, column, _ = cell
    for changed in (False, True):
        again = word(situation(state, charged, has_task, column, redo=True, same_fingerprint=not changed))
        assert again == ("submit" if charged == "no" else "again")


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_nothing_charged_is_submitted_without_permission(
    cell: tuple[State | None, str, bool, tuple[bool, bool, bool], str],
) -> None:
    """A new task for what is charged, or may be, takes permission, or a listed code that ended the task before."""
    state, charged, has_task, column, _ = cell
    decided = decide(situation(state, charged, has_task, column))
    if column[2] or charged == "no" or (state, charged) == ("failed", "yes"):
        return
    assert decided.action not in ("submit", "submit again")
    assert not (decided.action == "verify" and decided.may_submit and (state != "sent" or column[1]))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_cell_with_other_credentials(cell: tuple[State | None, str, bool, tuple[bool, bool, bool], str]) -> None:
    """What another account's key submitted is queried, and never submitted again with this one."""
    state, charged, has_task, column, _ = cell
    decided = decide(situation(state, charged, has_task, column, same_account=False))
    if charged == "no" or state == "done" or (state, charged) == ("failed", "yes"):
        return
    assert decided.action in ("wait", "verify", "report uncertain")
    assert not decided.may_replace or decided.action == "report uncertain"
    assert decided.action != "verify" or not decided.may_submit


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_cell_with_other_options(cell: tuple[State | None, str, bool, tuple[bool, bool, bool], str]) -> None:
    """Results of other options are not mixed in; what was not sent, or ended badly, goes with the new ones."""
    state, charged, has_task, column, expected = cell
    free = charged == "no" or (state, charged) == ("failed", "yes")
    assert word(situation(state, charged, has_task, column, same_fingerprint=False)) == (
        expected if free else "changed"
    )


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("state", [None, "planned", "failed"])
def test_a_journal_that_is_older_than_what_was_sent(state: State | None, column: tuple[bool, bool, bool]) -> None:
    """What it does not know as sent may have been sent: it is queried first, or uncertain where that is impossible."""
    got = word(situation(state, "no", False, column, is_behind=True))
    assert got == ("verify" if column[0] else "submit" if column[2] else "uncertain")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("same_account", [True, False])
def test_an_older_journal_may_have_lost_the_task_that_followed(
    column: tuple[bool, bool, bool], same_account: bool
) -> None:
    """After a task that ended badly, an earlier run may have submitted the next one already."""
    about = situation("failed", "yes", True, column, is_behind=True, same_account=same_account)
    decided = decide(about)
    if column[0]:
        assert word(about) == "verify next"
        assert (decided.may_submit, decided.may_replace) == (same_account, same_account)
    else:
        assert word(about) == ("again" if column[2] and same_account else "uncertain")


@pytest.mark.parametrize("before", [None, *STATES])
@pytest.mark.parametrize("permitted", [False, True])
def test_a_task_that_was_permitted_to_an_earlier_run(before: State | None, permitted: bool) -> None:
    """What it was to replace may be charged: it is submitted without permission only if a listed code had ended that."""
    decided = decide(Situation(state="sent", charged="yes", has_task=True, before=before, permitted=permitted))
    assert decided.action == "verify"
    assert decided.may_submit == (permitted or before in (None, "failed"))


def test_delivered_results_are_skipped() -> None:
    """Only those that the caller has taken care of."""
    assert word(situation("done", "yes", True, COLUMNS[0], delivered=True)) == "skip"


def test_the_table_is_complete() -> None:
    """Every state stands in it, with every charge state that it can have."""
    assert {state for state, _, _ in TABLE} == {None, *STATES}


@pytest.mark.parametrize(("age", "expired"), [(0.0, False), (86_399.0, False), (86_400.0, True)])
def test_the_age_counts_from_the_submit(age: float, expired: bool) -> None:
    """From the task's submit where there is one, else from the row's last change."""
    task = Task(id="t", edition=Standard(), request_id="t", submitted_at=1000.0)
    rows = [
        Entry("k", "sent", 0, "t", "f", task, delivered=False, charged="maybe", updated_at=9e9),
        Entry("k", "sent", 0, "t", "f", None, delivered=False, charged="maybe", updated_at=1000.0),
    ]
    for row in rows:
        about = situation_of(
            row, at=1000.0 + age, keeps_s=86_400.0, fingerprint="f", account="a", can_query=True, permitted=False,
            redo=False, is_behind=False,
        )  # fmt: skip
        assert about.is_expired == expired
        assert about.same_account


def test_fingerprints() -> None:
    """Edition, options and declared audio count; links, ids and callbacks do not."""

    def one(link: str = "https://example.com/a.mp3", edition: Edition | None = None, **more: Any) -> str:
        options = more.pop("options", None)
        source = AudioUrl(link, **{name: more.pop(name) for name in ("format", "language") if name in more})
        return fingerprint_of(
            prepare(Job(source, **more), edition=edition or Standard(), options=options, cluster=None)
        )

    assert one() == one("https://example.com/b.wav", key="x", callback="https://example.com/") == one(options=Options())
    others = [one(edition=Idle()), one(options=Options(enable_itn=False)), one(format="mp3"), one(language="en-US")]
    assert len({one(), *others}) == 5


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (None, "79bc768c5ef63b80"),
        (Options(enable_itn=False, extra={"a": 2, "b": 1}), "51ff031cdef9bb69"),
        (Options(enable_itn=False, extra={"b": 1, "a": 2}), "51ff031cdef9bb69"),
    ],
)
def test_fingerprints_stay(options: Options | None, kept: str) -> None:
    """Journals hold them: were one to change with a release, or with an order of words, every list would be refused."""
    order = prepare(Job("https://example.com/a.mp3"), edition=Standard(), options=options, cluster=None)
    assert fingerprint_of(order) == kept
