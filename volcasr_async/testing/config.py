"""Everything a simulator was told when it was made: one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

TaskIds = Literal["request", "own", "both"]
SubmitBody = Literal["object", "empty", "task-id"]

KNOWN_RESOURCES: dict[str, frozenset[str]] = {
    "standard": frozenset({"volc.bigasr.auc", "volc.seedasr.auc"}),
    "idle": frozenset({"volc.bigasr.auc_idle"}),
    "flash": frozenset({"volc.bigasr.auc_turbo", "volc.seedasr.auc_turbo"}),
}
V1_RETENTION = 24 * 3600.0  # doc 80820 (2024-08); unknown for v3, where a task stays for ever unless told otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The fields are described at `Simulator`."""

    seed: int
    qps: float | None
    qps_window: float
    concurrency: int | None
    processing_time: float
    processing_sigma: float
    queue_time: float
    reply_delay: float
    flash_time: float
    api_keys: frozenset[str] | None
    app_keys: Mapping[str, str] | None
    secret_keys: Mapping[str, str] | None
    resources: frozenset[str] | None
    clusters: frozenset[str] | None
    retention: float | None
    lag: float
    window_audio_hours: float | None
    reuse_charges: bool
    submit_body: SubmitBody
    task_ids: TaskIds
    echo_request_id: bool
    v1_int_code: bool

    def __post_init__(self) -> None:
        for name in ("processing_time", "processing_sigma", "queue_time", "reply_delay", "flash_time", "lag"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it is a number of seconds, not below 0")
        if self.qps is not None and self.qps * self.qps_window < 1:
            raise ValueError(f"qps {self.qps} lets no request through within {self.qps_window} s; None means no limit")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency {self.concurrency} lets no request through; None means no limit")
        if self.task_ids not in get_args(TaskIds):
            raise ValueError(f"unknown kind of task ids {self.task_ids!r}. Use one of: {', '.join(get_args(TaskIds))}")
