"""The tables of the pages that are generated from the code: `python docs/tables.py --write` writes them again.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""
# ruff: noqa: INP001 - no package, like the pages beside it

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from volcasr_async.batch.resume import Action, Decision, Situation, decide
from volcasr_async.errors import Charged, ServerError
from volcasr_async.journal import State
from volcasr_async.protocol.messages import Phase
from volcasr_async.protocol.status import CODES, RANGES, Rule, rule_of
from volcasr_async.public_messages import MESSAGES
from volcasr_async.testing import KINDS, MARKERS

DOCS = Path(__file__).parent
PAGES = ("errors.md", "testing.md", "batch.md", "batch.zh.md")
_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_V3: tuple[Phase, ...] = ("submit", "query", "flash")
_V1: tuple[Phase, ...] = ("submit", "query")
_FIRST_V3 = 10_000  # v1's codes have four digits
_MESSAGES = (
    (45000000, "cannot find task"),
    (45000292, "... lifetime"),
    (45000292, "qps"),
    (45000292, "concurrency"),
    (1022, "requested resource not granted"),
)
_STATUSES = {"2xx, 3xx": 200, "401": 401, "403": 403, "413": 413, "429": 429, "other 4xx": 418, "5xx": 500}


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    lines = [list(columns), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def verdict_of(rule: Rule, phase: Phase) -> str:
    """Return a verdict. After an internal error flash may have charged the recording, so another submit needs permission."""
    verdict = rule.verdict(phase)
    asks_leave = phase == "flash" and verdict == "back-off" and issubclass(rule.error, ServerError)
    return "back-off, if allowed" if asks_leave else verdict


def row_of(said: str, rule: Rule, phases: Iterable[Phase]) -> list[str]:
    """Write what an answer means, the error that it may become, and its verdict in each phase."""
    verdicts = [verdict_of(rule, phase) for phase in phases]
    good = all(verdict in {"accepted", "pending", "done", "silent", "unreadable"} for verdict in verdicts)
    return [said, rule.meaning, "" if good else f"`{rule.error.__name__}`", *verdicts]


def proof_of(said: str, rule: Rule, phases: Iterable[Phase]) -> list[str]:
    """Write what an answer means, and what it proves about the charge in each phase."""
    return [said, rule.meaning, *(rule.evidence(phase) for phase in phases)]


def rules_of(*, v1: bool) -> list[tuple[str, Rule]]:
    """Return the codes of one family, and the ranges that unlisted codes fall into."""
    listed = [(str(code), rule) for code, rule in sorted(CODES.items()) if (code < _FIRST_V3) == v1]
    ranges = [(f"other {low} to {high}", rule) for low, high, rule in reversed(RANGES) if (low < _FIRST_V3) == v1]
    return listed + ranges


def codes_of(phases: tuple[Phase, ...], *, v1: bool) -> str:
    """Write the verdicts of the codes of one family."""
    rows = [row_of(said, rule, phases) for said, rule in rules_of(v1=v1)]
    return table(["code", "meaning", "error", *(f"at {phase}" for phase in phases)], rows)


def by_message() -> str:
    """Write the codes that mean different things by their message."""
    rows = [[str(code), f"`{said}`", *row_of("", rule_of(code, said, 200), _V3)[1:]] for code, said in _MESSAGES]
    return table(["code", "its message holds", "meaning", "error", *(f"at {phase}" for phase in _V3)], rows)


def without_code() -> str:
    """Write what an HTTP status means where no code is found anywhere."""
    rows = [row_of(said, rule_of(None, "", status), _V3) for said, status in _STATUSES.items()]
    return table(["HTTP status", "meaning", "error", *(f"at {phase}" for phase in _V3)], rows)


def proofs_of(phases: tuple[Phase, ...], *, v1: bool) -> str:
    """Write what the codes of one family prove about the charge."""
    rows = [proof_of(said, rule, phases) for said, rule in rules_of(v1=v1)]
    return table(["code", "meaning", *(f"at {phase}" for phase in phases)], rows)


def proofs_by_message() -> str:
    """Write what the codes prove that mean different things by their message."""
    rows = [[str(code), *proof_of(f"`{said}`", rule_of(code, said, 200), _V3)] for code, said in _MESSAGES]
    return table(["code", "its message holds", "meaning", *(f"at {phase}" for phase in _V3)], rows)


def proofs_without_code() -> str:
    """Write what an HTTP status proves where no code is found anywhere."""
    rows = [proof_of(said, rule_of(None, "", status), _V3) for said, status in _STATUSES.items()]
    return table(["HTTP status", "meaning", *(f"at {phase}" for phase in _V3)], rows)


# ---- what the next run of a batch does ----


class Wording(NamedTuple):
    """The words of one language for the table of resume decisions."""

    columns: tuple[str, ...]
    kinds: tuple[str, str]
    actions: dict[tuple[Action, bool], str]
    again: dict[tuple[Action, bool], str]
    young: str
    old: str
    with_task: str
    without_task: str
    delivered: str
    unsent: str
    behind: str
    same: str
    never: str
    ended: str
    colon: str
    separator: str


ENGLISH = Wording(
    columns=("state", "charged", "standard and idle", "v1 and flash", "charged again?", "with `pay_again`"),
    kinds=("standard, idle", "v1, flash"),
    actions={
        ("submit", True): "submits it under the same request id",
        ("submit again", True): "submits it as a new task",
        ("verify", True): "queries first; submits it under the same request id only if the service does not know it",
        ("verify", False): "queries first; if the task is not found, returns `SubmitUncertain`",
        (
            "verify again",
            True,
        ): "queries the task that may have followed; submits it only if the service does not know it",
        ("wait", True): "queries the task until it ends; if it is not found, returns `TaskNotFound`",
        ("deliver", True): "returns the stored transcript",
        ("skip", True): "does nothing",
        ("report uncertain", True): "sends nothing; returns `SubmitUncertain`",
    },
    again={
        ("verify", True): "a new task only if queries cannot decide",
        ("verify", False): "a new task if it is not found",
        ("verify again", True): "a new task only if queries cannot decide",
        ("wait", True): "a new task if it is not found",
        ("submit again", True): "a new task",
    },
    young="up to 24 h",
    old="older",
    with_task="with a task id (v1)",
    without_task="without a task id",
    delivered="{}, delivered",
    unsent="planned, failed (`no`), or not in the journal",
    behind="{}; the journal is older than what was sent",
    same="the same",
    never="no",
    ended="possible: a listed final code ended the first task",
    colon=": ",
    separator="; ",
)
CHINESE = Wording(
    columns=("状态", "计费", "标准版、闲时版", "v1、极速版", "会再次计费吗", "允许 `pay_again` 时"),
    kinds=("标准版、闲时版", "v1、极速版"),
    actions={
        ("submit", True): "用同一个请求 id 提交",
        ("submit again", True): "作为新任务提交",
        ("verify", True): "先查询；只有服务端查不到时，才用同一个请求 id 再提交",
        ("verify", False): "先查询；查不到就返回 `SubmitUncertain`",
        ("verify again", True): "先查询可能已提交的下一个任务；只有服务端查不到时才提交",
        ("wait", True): "查询任务，直到结束；查不到就返回 `TaskNotFound`",
        ("deliver", True): "返回已存的结果",
        ("skip", True): "什么都不做",
        ("report uncertain", True): "什么都不发，返回 `SubmitUncertain`",
    },
    again={
        ("verify", True): "仅当查询得不出结论时提交新任务",
        ("verify", False): "查不到时提交新任务",
        ("verify again", True): "仅当查询得不出结论时提交新任务",
        ("wait", True): "查不到时提交新任务",
        ("submit again", True): "提交新任务",
    },
    young="24 小时以内",
    old="超过 24 小时",
    with_task="有任务 id（v1）",
    without_task="没有任务 id",
    delivered="{}，已交付",
    unsent="planned、failed（`no`）或不在 journal 里",
    behind="{}；journal 比已发出的内容旧",
    same="相同",
    never="不会",
    ended="有可能：前一个任务以列出的最终错误码结束",
    colon="：",
    separator="；",
)


class Line(NamedTuple):
    """A row of a journal: its state and charge state, and what else a decision depends on."""

    state: State
    charged: Charged
    delivered: bool = False
    is_behind: bool = False


_LINES = (
    Line("planned", "no"),
    Line("planned", "no", is_behind=True),
    Line("sent", "maybe"),
    Line("accepted", "yes"),
    Line("done", "yes"),
    Line("done", "yes", delivered=True),
    Line("failed", "no"),
    Line("failed", "yes"),
    Line("failed", "yes", is_behind=True),
    Line("uncertain", "maybe"),
    Line("missing", "yes"),
)
Decisions = dict[tuple[bool, bool], Decision]
"""The decisions of one kind of edition, by whether the row has a task and whether it is older than 24 hours."""


def resume(wording: Wording) -> str:
    """Write what the next run does with each row of a journal, and whether that can be charged again."""
    return table(wording.columns, (_resume_row(wording, line) for line in _LINES))


def _resume_row(wording: Wording, line: Line) -> list[str]:
    usual = [_decisions(line, can_query=can_query, permitted=False) for can_query in (True, False)]
    allowed = [_decisions(line, can_query=can_query, permitted=True) for can_query in (True, False)]
    costs = any(decision.action in ("submit again", "verify again") for kind in usual for decision in kind.values())
    name = wording.delivered if line.delivered else wording.behind if line.is_behind else "{}"
    state = wording.unsent if line.is_behind and line.charged == "no" else line.state
    return [
        name.format(state),
        line.charged,
        *(_collapsed(wording, {key: wording.actions[_key(one)] for key, one in kind.items()}) for kind in usual),
        wording.ended if costs else wording.never,
        _permitted(wording, usual, allowed),
    ]


def _decisions(line: Line, *, can_query: bool, permitted: bool) -> Decisions:
    # The journal has the task of every submit of standard and idle; of v1 only if an answer named it; of flash never.
    tasks = (True,) if can_query else (True, False)
    return {
        (has_task, is_expired): decide(
            Situation(
                state=line.state,
                charged=line.charged,
                has_task=has_task,
                delivered=line.delivered,
                is_expired=is_expired,
                can_query=can_query,
                permitted=permitted,
                is_behind=line.is_behind,
            )
        )
        for has_task in tasks
        for is_expired in (False, True)
    }


def _permitted(wording: Wording, usual: list[Decisions], allowed: list[Decisions]) -> str:
    """Write what permission changes, for each kind of edition where the two differ."""
    texts = [
        _collapsed(wording, {key: _again(wording, before[key], after[key]) for key in after})
        for before, after in zip(usual, allowed, strict=True)
    ]
    if texts[0] == texts[1]:
        return texts[0]
    return wording.separator.join(
        f"{name}{wording.colon}{text}" for name, text in zip(wording.kinds, texts, strict=True)
    )


def _again(wording: Wording, before: Decision, after: Decision) -> str:
    """Write what permission changes about one decision."""
    text = wording.again.get(_key(after)) if after.may_replace else None
    if text is not None:
        return text
    return wording.same if after == before else wording.actions[_key(after)]


def _collapsed(wording: Wording, phrases: dict[tuple[bool, bool], str]) -> str:
    """Write one phrase for all conditions, or one for each task and age that has another one."""
    if len(set(phrases.values())) == 1:
        return next(iter(phrases.values()))
    by_task = {
        has_task: {old: text for (has, old), text in phrases.items() if has == has_task} for has_task, _ in phrases
    }
    parts = []
    for has_task, by_age in by_task.items():
        name = (wording.with_task if has_task else wording.without_task) if len(by_task) > 1 else ""
        if len(set(by_age.values())) == 1:
            parts.append(_labelled(wording, name, by_age[False]))
        else:
            parts += [
                _labelled(wording, label, by_age[old]) for old, label in ((False, wording.young), (True, wording.old))
            ]
    return wording.separator.join(part for part in parts if part)


def _labelled(wording: Wording, label: str, text: str) -> str:
    return f"{label}{wording.colon}{text}" if label and text else text


def _key(decision: Decision) -> tuple[Action, bool]:
    return decision.action, decision.may_submit


def faults() -> str:
    """Write the kinds of faults of the simulator."""
    return table(["kind", "what happens"], ([f"`{kind}`", what] for kind, what in KINDS.items()))


def markers() -> str:
    """Write what a path segment of a link chooses."""
    return table(["begins with", "the task ends as"], ([f"`{name}`", f"`{kind}`"] for name, kind in MARKERS.items()))


def public_messages() -> str:
    """Write the message of each public code."""
    return table(["`public_code`", "`public_message`"], [[f"`{code}`", text] for code, text in MESSAGES.items()])


TABLES: dict[str, Callable[[], str]] = {
    "public": public_messages,
    "codes-v3": lambda: codes_of(_V3, v1=False),
    "codes-v1": lambda: codes_of(_V1, v1=True),
    "by-message": by_message,
    "without-code": without_code,
    "charges-v3": lambda: proofs_of(_V3, v1=False),
    "charges-v1": lambda: proofs_of(_V1, v1=True),
    "charges-by-message": proofs_by_message,
    "charges-without-code": proofs_without_code,
    "resume": partial(resume, ENGLISH),
    "resume-zh": partial(resume, CHINESE),
    "faults": faults,
    "markers": markers,
}


def printed(text: str) -> str:
    """Write each table of a page again."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n{place[3]}", text)


def stale() -> Iterator[tuple[Path, str]]:
    """Return the pages that differ from the code, each with its text as it should be."""
    for page in (DOCS / name for name in PAGES):
        text = page.read_text("utf-8")
        if (wanted := printed(text)) != text:
            yield page, wanted


if __name__ == "__main__":
    found = list(stale())
    if "--write" in sys.argv:
        for page, wanted in found:
            page.write_text(wanted, "utf-8")
    sys.exit(bool(found) and "--write" not in sys.argv)
