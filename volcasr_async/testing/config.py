"""The settings of a simulator: one frozen value, which is replaced when a setting changes."""

from collections.abc import Collection, Mapping
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
    flash_time: float | None
    api_keys: Collection[str] | None
    app_keys: Mapping[str, str] | None
    secret_keys: Mapping[str, str] | None
    resources: Collection[str] | None
    clusters: Collection[str] | None
    retention: float | None
    lag: float
    window_audio_hours: float | None
    reuse_charges: bool
    submit_body: SubmitBody
    task_ids: TaskIds
    echo_request_id: bool
    v1_int_code: bool

    def __post_init__(self) -> None:
        for name in _COLLECTIONS:
            object.__setattr__(self, name, _collected(name, getattr(self, name)))
        for name, may_be_none in _SECONDS.items():
            _check_number(name, getattr(self, name), "a number of seconds, not below 0", may_be_none=may_be_none)
        for name, may_be_none in _NUMBERS.items():
            _check_number(name, getattr(self, name), "a number, not below 0", may_be_none=may_be_none)
        if self.qps is not None and self.qps * self.qps_window < 1:
            raise ValueError(f"qps {self.qps} lets no request through within {self.qps_window} s; None means no limit")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency {self.concurrency} lets no request through; None means no limit")
        if self.task_ids not in get_args(TaskIds):
            raise ValueError(f"unknown kind of task ids {self.task_ids!r}. Use one of: {', '.join(get_args(TaskIds))}")
        if self.submit_body not in get_args(SubmitBody):
            raise ValueError(f"unknown submit_body {self.submit_body!r}. Use one of: {', '.join(get_args(SubmitBody))}")


_COLLECTIONS = ("api_keys", "resources", "clusters")
_SECONDS = {  # and whether it may be None
    "processing_time": False,
    "processing_sigma": False,
    "queue_time": False,
    "reply_delay": False,
    "flash_time": True,
    "lag": False,
    "retention": True,
}
_NUMBERS = {"qps": True, "qps_window": False, "concurrency": True, "window_audio_hours": True}


def _check_number(name: str, value: object, what: str, *, may_be_none: bool) -> None:
    if value is None and may_be_none:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        more = "; None is possible too" if may_be_none else ""
        raise ValueError(f"{name} is {value!r}; it is {what}{more}")


def _collected(name: str, values: Collection[str] | None) -> frozenset[str] | None:
    if isinstance(values, str):  # its letters would be the good ones
        raise ValueError(f"{name} is one string; it is a list of strings, such as {name}=[...]")  # noqa: TRY004 - as above
    return None if values is None else frozenset(values)
