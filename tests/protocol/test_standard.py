"""Standard and idle: one dialect on two pairs of paths."""

from typing import Any

import pytest
from ground import ID, KEY, PAIR, answer, body_of, order_of, speak, task_of

from volcasr_async import AudioBytes, Idle, InputError, Pending, ServerBusy, Standard

PATHS = [
    (Standard(), "/api/v3/auc/bigmodel/submit", "/api/v3/auc/bigmodel/query", "volc.bigasr.auc"),
    (Standard("volc.seedasr.auc"), "/api/v3/auc/bigmodel/submit", "/api/v3/auc/bigmodel/query", "volc.seedasr.auc"),
    (Idle(), "/api/v3/auc/bigmodel/idle/submit", "/api/v3/auc/bigmodel/idle/query", "volc.bigasr.auc_idle"),
]


@pytest.mark.parametrize(("edition", "submit", "query", "resource"), PATHS)
@pytest.mark.parametrize("credentials", [KEY, PAIR])
def test_calls(edition: Any, submit: str, query: str, resource: str, credentials: Any) -> None:
    """Paths, the five headers, one mode of authentication, `{}` as the query's body."""
    dialect = speak(edition, credentials)
    opened, asked = dialect.open(order_of(edition=edition)), dialect.follow(task_of(edition))
    who = {"X-Api-Key": "api-key"} if credentials is KEY else {
        "X-Api-App-Key": "app-id", "X-Api-Access-Key": "access-token",
    }  # fmt: skip
    common = who | {"X-Api-Resource-Id": resource, "X-Api-Request-Id": ID, "Content-Type": "application/json"}
    assert (opened.phase, opened.path, dict(opened.headers)) == ("submit", submit, common | {"X-Api-Sequence": "-1"})
    assert (asked.phase, asked.path, dict(asked.headers)) == ("query", query, common)
    assert (asked.prefix, asked.suffix, asked.has_audio, asked.content_length()) == (b"{}", b"", False, 2)


def test_acceptance() -> None:
    """The request id names the task where the reply holds no other; 20000001 and 20000002 accept too."""
    for code, body in ((20000000, {"task_id": ID}), (20000000, None), (20000001, {}), (20000002, b"<p>")):
        got = speak(Standard()).read_open(order_of(key="k"), answer(code, "OK", body), at=5.0)
        assert isinstance(got, Pending)
        assert got.phase == "accepted"
        assert got.task == task_of(submitted_at=5.0, key="k")


def test_claim_names_the_task_before_any_answer() -> None:
    """Our id is the task's name, so a lost submit can be asked about."""
    assert speak(Idle()).claim(order_of(edition=Idle()), at=7.0) == task_of(
        Idle(), submitted_at=7.0, key="https://example.com/a.mp3", accepted=False
    )


def test_refusals_carry_the_task() -> None:
    """A refusal at query brings the task along."""
    with pytest.raises(ServerBusy) as caught:
        speak(Idle()).read_follow(task_of(Idle()), answer(55000031))
    assert (caught.value.task, caught.value.edition) == (task_of(Idle()), "idle")


def test_inline_audio_only_when_insisted() -> None:
    """Local audio is refused unless the caller insists, and the refusal says how."""
    for edition in (Standard(), Idle()):
        with pytest.raises(InputError, match="flash"):
            order_of(b"RIFF", edition)
    edition = Standard(inline_audio=True)
    call = speak(edition).open(order_of(AudioBytes(b"ABC", format="wav"), edition))
    assert body_of(call)["audio"] == {"data": "QUJD", "format": "wav"}
