"""The public face: one object that holds the rules, opens their faces, and tells what happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from volcasr_async.testing.asgi import App
from volcasr_async.testing.config import Config, SubmitBody, TaskIds
from volcasr_async.testing.faults import Fault
from volcasr_async.testing.records import Callback, Charge, Delivery, SimulatedTask, Upload, Violation
from volcasr_async.testing.separate import SeparateTask
from volcasr_async.testing.service import Service
from volcasr_async.testing.settings import Setting, checked_faults, unknown_setting
from volcasr_async.testing.views import states

if TYPE_CHECKING:
    import httpx

    from volcasr_async.testing.posting import Receiver

_T = TypeVar("_T")


class Simulator:
    """Plays all four editions of the service, in this process or on a port, always the same for the same `seed`.

    Times are seconds on the event loop's clock. `qps` is strict: a request that would be one too many within any
    `qps_window` seconds is refused (and does not count). `processing_time` is the median of a log-normal distribution of
    width `processing_sigma`; before it a task is `queue_time` long in the queue; for its first `lag` seconds a v3 task
    cannot be found. `retention`: a finished task is forgotten after so long (None: v3 never, v1 after 24 h).
    Credentials, resources and clusters are accepted when they are well-formed unless a collection names the good ones.
    `reuse_charges`: a re-sent accepted id is accepted and charged once more, instead of being refused with 45000001.
    `task_ids`: the id of a v3 task, which a query has to send and a callback holds. "request": the request id of its submit.
    "own": an id that the service makes and tells in the submit's reply, `{"task_id": "..."}`. "both": such an id, and a query
    finds the task by the request id too. A request id that comes again is refused in all three; with `reuse_charges` and an id
    of the service's own it becomes a second task. Flash and v1 are not affected.
    `echo_request_id`: v3 replies with a code in their headers repeat the X-Api-Request-Id of the request; the documents show none.
    Each is an attribute too, to be read and changed at any time: `simulator.processing_time = 0`.
    `submit_body`: what an accepting v3 submit answers with under "request" (the documents disagree); `v1_int_code`: 1000 instead of "1000".
    """

    def __init__(  # noqa: PLR0913 - every parameter is a setting with a default
        self,
        *,
        seed: int = 0,
        qps: float | None = None,
        qps_window: float = 1.0,
        concurrency: int | None = None,
        processing_time: float = 2.0,
        processing_sigma: float = 0.0,
        queue_time: float = 0.0,
        reply_delay: float = 0.0,
        flash_time: float | None = None,
        api_keys: Collection[str] | None = None,
        app_keys: Mapping[str, str] | None = None,
        secret_keys: Mapping[str, str] | None = None,
        resources: Collection[str] | None = None,
        clusters: Collection[str] | None = None,
        retention: float | None = None,
        lag: float = 0.0,
        window_audio_hours: float | None = 500.0,
        faults: Sequence[Fault] = (),
        reuse_charges: bool = False,
        submit_body: SubmitBody = "object",
        task_ids: TaskIds = "request",
        echo_request_id: bool = False,
        v1_int_code: bool = False,
    ) -> None:
        config = Config(
            seed=seed,
            qps=qps,
            qps_window=qps_window,
            concurrency=concurrency,
            processing_time=processing_time,
            processing_sigma=processing_sigma,
            queue_time=queue_time,
            reply_delay=reply_delay,
            flash_time=flash_time,
            api_keys=api_keys,
            app_keys=app_keys,
            secret_keys=secret_keys,
            resources=resources,
            clusters=clusters,
            retention=retention,
            lag=lag,
            window_audio_hours=window_audio_hours,
            reuse_charges=reuse_charges,
            submit_body=submit_body,
            task_ids=task_ids,
            echo_request_id=echo_request_id,
            v1_int_code=v1_int_code,
        )
        self._service = Service(config, checked_faults(faults))
        self._app = App(self._service)

    seed: Setting[int] = Setting()
    qps: Setting[float | None] = Setting()
    qps_window: Setting[float] = Setting()
    concurrency: Setting[int | None] = Setting()
    processing_time: Setting[float] = Setting()
    processing_sigma: Setting[float] = Setting()
    queue_time: Setting[float] = Setting()
    reply_delay: Setting[float] = Setting()
    flash_time: Setting[float | None] = Setting()
    api_keys: Setting[Collection[str] | None] = Setting()
    app_keys: Setting[Mapping[str, str] | None] = Setting()
    secret_keys: Setting[Mapping[str, str] | None] = Setting()
    resources: Setting[Collection[str] | None] = Setting()
    clusters: Setting[Collection[str] | None] = Setting()
    retention: Setting[float | None] = Setting()
    lag: Setting[float] = Setting()
    window_audio_hours: Setting[float | None] = Setting()
    faults: Setting[Sequence[Fault]] = Setting()
    reuse_charges: Setting[bool] = Setting()
    submit_body: Setting[SubmitBody] = Setting()
    task_ids: Setting[TaskIds] = Setting()
    echo_request_id: Setting[bool] = Setting()
    v1_int_code: Setting[bool] = Setting()

    @property
    def settings(self) -> dict[str, object]:
        """All settings with their present values."""
        with self._service.lock:
            config = self._service.config
            return {
                **{field.name: getattr(config, field.name) for field in fields(config)},
                "faults": self._service.faults,
            }

    def configure(self, **settings: Any) -> None:
        """Change several settings at once; `simulator.qps = 5` changes one.

        They hold for requests that come from now on, also in other threads. New `faults` count from the beginning.

        Raises `TypeError` for a name that is no setting, and `ValueError` for a value that cannot be; nothing has changed
        then.
        """
        with self._service.lock:
            known = self.settings
            for name in settings:
                if name not in known:
                    raise TypeError(unknown_setting(name, known))
            faults = checked_faults(settings.pop("faults", self._service.faults))
            self._service.configure(replace(self._service.config, **settings))
            if faults is not self._service.faults:
                self._service.play(faults)

    if not TYPE_CHECKING:  # type checkers refuse an unknown attribute by themselves, unless they see this method

        def __setattr__(self, name: str, value: object) -> None:
            """Refuse a name that is no setting: it would change nothing."""
            if not name.startswith("_") and not hasattr(type(self), name):
                raise AttributeError(unknown_setting(name, self.settings))
            super().__setattr__(name, value)

    @property
    def app(self) -> App:
        """An ASGI callable, for any ASGI server or client; a dropped connection is a raised `ConnectionDropped`."""
        return self._app

    def transport(self) -> httpx.ASGITransport:
        """A transport for `httpx.AsyncClient`: no socket, streamed uploads, the client's read timeout honoured."""
        from volcasr_async.testing.inprocess import SimulatorTransport

        return SimulatorTransport(app=self._app)

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Listen on a port for as long as the context lasts; gives the base URL.

        It is served by the event loop that enters the context, so nothing is answered while that loop stands still, as in a
        sync test: use `serve_in_thread` there.
        """
        from volcasr_async.testing.loopback import serve

        return SeparateTask(serve(lambda: self._service, host, port), "Simulator.serve()")

    @contextmanager
    def serve_in_thread(self, host: str = "127.0.0.1", port: int = 0, *, callbacks: bool = False) -> Iterator[str]:
        """Listen on a port, served by a thread with an event loop of its own; gives the base URL.

        For what blocks the thread of the test: sync clients, Django's and FastAPI's test clients, other processes. It works
        in async tests too. With *callbacks* the callbacks of tasks are sent, over sockets, to where their URLs lead.
        """
        from volcasr_async.testing.threads import in_thread

        with ExitStack() as stack:
            portal = stack.enter_context(in_thread())
            url = stack.enter_context(portal.wrap_async_context_manager(self.serve(host, port)))
            if callbacks:
                stack.enter_context(portal.wrap_async_context_manager(self.send_callbacks()))
            yield url

    def send_callbacks(
        self, via: Receiver | httpx.AsyncBaseTransport | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Send the callbacks of tasks as they end, for as long as the context lasts.

        They go to `via`: an ASGI application (whatever the URL's host), or an httpx transport, which is closed at the end;
        by default over sockets, to where the URL leads. The service's retries are unknown, so there are none; what the
        faults about callbacks do is added. `deliveries` tells what was sent.
        """
        from volcasr_async.testing.courier import carry

        return SeparateTask(carry(self._service, via), "Simulator.send_callbacks()")

    def add_audio(self, name: str, data: bytes) -> str:
        """Host real audio; gives its path. A submitted URL of any host with that path has its duration and format."""
        with self._service.lock:
            self._service.host(name, data)
        return f"/audio/{name}"

    def reset(self) -> None:
        """Forget everything that clients did; settings and hosted audio stay."""
        with self._service.lock:
            self._service.reset()

    @property
    def tasks(self) -> list[SimulatedTask]:
        """The tasks that were accepted, in that order, with their states of this moment. Flash makes none."""
        with self._service.lock:
            now = self._service.look_at_clock()
            return [SimulatedTask.of(task, now) for task in self._service.tasks.values()]

    @property
    def charges(self) -> list[Charge]:
        """What would be billed, in the order of acceptance."""
        return self._copy(self._service.charges)

    @property
    def charges_by_source(self) -> Counter[str]:
        """How often each source (URL without query, or `sha256:...`) was charged."""
        return Counter(charge.source for charge in self.charges)

    @property
    def violations(self) -> list[Violation]:
        """What clients sent against the documents, served or not."""
        return self._copy(self._service.violations)

    @property
    def uploads(self) -> list[Upload]:
        """The inline audio of accepted requests."""
        return self._copy(self._service.uploads)

    @property
    def callbacks(self) -> list[Callback]:
        """The callbacks that accepted tasks asked for."""
        return self._copy(self._service.callbacks)

    @property
    def deliveries(self) -> list[Delivery]:
        """The callbacks that were sent, as their answers came."""
        return self._copy(self._service.deliveries)

    @property
    def requests(self) -> Counter[str]:
        """How many requests came, by call: `submit`, `query`, `flash`, `other` (all editions together)."""
        with self._service.lock:
            return self._service.requests.copy()

    @property
    def answers(self) -> Counter[str]:
        """How many requests were answered how: by code, or `http-` and the status, `lost-answer`, `reset`, `not-json`, `no-status`."""
        with self._service.lock:
            return self._service.answers.copy()

    @property
    def refused(self) -> int:
        """How many requests were over the `qps` or `concurrency` quota."""
        return self._service.refused

    @property
    def peak_qps(self) -> int:
        """The most requests that started within any one second, refused ones included."""
        return self._service.peak_qps

    @property
    def peak_in_air(self) -> int:
        """The most requests that were in the air at once."""
        return self._service.peak_in_air

    def _copy(self, items: list[_T]) -> list[_T]:
        with self._service.lock:
            return items.copy()

    def __repr__(self) -> str:
        tasks, service = self._service.tasks, self._service
        ended = f"{len(service.charges)} charges, {len(service.violations)} violations"
        with service.lock:
            parts = ", ".join(f"{number} {state}" for state, number in states(service).items() if number)
        return f"<Simulator [{len(tasks)} tasks{': ' if parts else ''}{parts} | {ended}]>"
