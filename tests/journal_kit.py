"""What the tests of the journal's file share: a change to note."""

from typing import Any

from volcasr_async.journal import Change

CHARGED = {"planned": "no", "sent": "maybe", "accepted": "yes", "done": "yes", "failed": "no", "uncertain": "maybe", "missing": "yes"}  # fmt: skip
ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"


def change(key: str = "k", state: str = "sent", **more: Any) -> Change:
    """Say that a job has come so far."""
    said: dict[str, Any] = {
        "key": key,
        "state": state,
        "edition": "{}",
        "attempt": 0,
        "request_id": ID,
        "fingerprint": "f",
        "charged": CHARGED.get(state, "no"),
    }
    return Change(**(said | more))
