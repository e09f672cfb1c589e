"""The service's callbacks, taken as hints: an ASGI application to mount, and calls that ask less often because of them.

    receiver = CallbackReceiver(asr, public_url="https://me.example/volcasr", secret=os.environ["CALLBACK_SECRET"])
    app.mount("/volcasr", receiver)
    ...
    transcript = await receiver.transcribe("https://example.com/a.mp3")

Anyone can post to a public URL, and no document says how the service signs or what it sends (v1: doc 80820). So a callback
decides nothing: its path holds a token of ours, its body is dropped unread, and the service itself is asked.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import anyio
from msgspec import Struct
from msgspec.structs import replace

from volcasr_async._clock import now
from volcasr_async.errors import InputError
from volcasr_async.job import Job, as_job
from volcasr_async.models import Task, Transcript
from volcasr_async.policies import PollPolicy

if TYPE_CHECKING:
    from volcasr_async.client import VolcASR
    from volcasr_async.editions import Edition, EditionName
    from volcasr_async.options import Options
    from volcasr_async.sources import SourceLike

Message = MutableMapping[str, Any]  # what ASGI says it is
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger("volcasr_async")

_LEAST_SECRET = 16
_MOST_BODY = 16 * 1024 * 1024
"""Bytes that are read and dropped before the answer; the transcript of five hours has half as many."""
_SLOWEST_BODY_S = 10.0
_NAME = 32  # hex digits of a request id
_QUIET_S, _LONGEST_QUIET_S = 1.0, 60.0
"""Between two calls of `on_hint` for one request id, doubled after each call."""
_MOST_REMEMBERED = 4096
"""Request ids; the oldest is forgotten first, and its next callback counts as its first."""


class CallbackReceiver:
    """Takes callbacks and wakes whoever waits, in `wait` and `transcribe` of this object and of *asr* itself.

    Mount it where *public_url* leads: the service posts to a path of one segment below it. It needs the event loop that
    *asr* is used in. *secret* signs those paths: at least 16 characters, the same in every process and after a restart; by
    default a new one, which is enough for one process. *poll* is how tasks are asked about when no callback comes.

    *on_hint* is awaited with the task's request id after a callback was answered. It is for a program that keeps its tasks
    elsewhere than in a waiting call: ask `VolcASR.query` or `wait` there. A callback may come twice, or too early.

    The first callback of a request id calls *on_hint* at once. A quiet time of 1 s follows, which doubles after each call,
    up to 60 s. Callbacks that come in a quiet time lead to one call together, at its end. So a replayed callback costs
    little, and the service's own callback is heard after a forged one. The newest 4096 request ids are remembered.

    Raises `InputError` for a URL or a secret that cannot serve.
    """

    def __init__(
        self,
        asr: VolcASR,
        *,
        public_url: str,
        secret: str | bytes | None = None,
        poll: PollPolicy = PollPolicy(first=10, growth=0.5, shortest=5),  # noqa: B008 - frozen values may be defaults
        on_hint: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._asr, self._poll, self._on_hint = asr, poll, on_hint
        self._public_url = _checked_url(public_url)
        self._secret = _checked_secret(secret)
        self._repeats: dict[str, _Repeats] = {}

    def __repr__(self) -> str:
        return f"<CallbackReceiver at {self._public_url}>"

    # ---- before: jobs that are called back ----

    def url_for(self, request_id: str) -> str:
        """Give the URL that the service shall call for the task of this request id; who knows it can hint at that task."""
        try:
            name = UUID(request_id).hex
        except (ValueError, AttributeError, TypeError):
            raise InputError(
                f"request_id={request_id!r} is no UUID; take Job.request_id or Task.request_id", reason="usage"
            ) from None
        return f"{self._public_url}/{self._segment(name)}"

    def job(self, source: SourceLike | Job) -> Job:
        """Make a job that is called back here, for `VolcASR.submit`, or for `VolcASR.transcribe`.

        Raises `InputError` for a `Job` with another callback.
        """
        job = as_job(source)
        url = self.url_for(job.request_id)
        if job.callback not in (None, url):
            raise InputError(
                "this Job has a callback of its own, and here it gets another: leave the Job's out", reason="usage"
            )
        return replace(job, callback=url)

    async def transcribe(
        self,
        source: SourceLike | Job,
        *,
        edition: Edition | EditionName | None = None,
        options: Options | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as in VolcASR
    ) -> Transcript:
        """Do as `VolcASR.transcribe`, called back; flash, which answers at once, is an `InputError`."""
        job = self.job(source)
        return await self._asr.transcribe(job, edition=edition, options=options, timeout=timeout, poll=self._poll)

    async def submit(
        self,
        source: SourceLike | Job,
        *,
        edition: Edition | EditionName | None = None,
        options: Options | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as in VolcASR
    ) -> Task:
        """Do as `VolcASR.submit`, called back."""
        return await self._asr.submit(self.job(source), edition=edition, options=options, timeout=timeout)

    async def wait(self, task: Task, *, timeout: float | None = None) -> Transcript:  # noqa: ASYNC109 - as in VolcASR
        """Do as `VolcASR.wait`, for a task that was submitted with a callback to here: asks seldom, and when called."""
        return await self._asr.wait(task, timeout=timeout, poll=self._poll)

    # ---- after: the service calls ----

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI asks."""
        match scope["type"]:
            case "http":
                await self._take(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close"})
            case kind:
                raise ValueError(f"the callback receiver does not speak {kind}")

    async def _take(self, scope: Message, receive: Receive, send: Send) -> None:
        """Tell strangers nothing and read nothing of theirs; else wake first, for a slow body is no reason to wait."""
        if scope["method"] != "POST":
            await _answer(send, 405, (b"allow", b"POST"))
            return
        request_id = self._request_id(scope["path"])
        if request_id is None:
            await _answer(send, 404)
            return
        _log.info("callback for request %s", request_id)
        self._asr.hint(request_id)
        if await _drained(receive):
            await _answer(send, 200, (b"content-type", b"application/json"), body=b"{}")
        if self._on_hint is not None:
            await self._pass_on(request_id, self._on_hint)

    async def _pass_on(self, request_id: str, on_hint: Callable[[str], Awaitable[None]]) -> None:
        """Call *on_hint* when the quiet time is over, unless another callback of this request id waits for that already."""
        repeats = self._repeats.setdefault(request_id, _Repeats())
        if len(self._repeats) > _MOST_REMEMBERED:
            del self._repeats[next(iter(self._repeats))]
        if repeats.waited_for:
            return
        repeats.waited_for = True
        try:
            if (quiet_s := repeats.quiet_until - now()) > 0:
                await anyio.sleep(quiet_s)
        finally:
            repeats.waited_for = False
        repeats.quiet_until = now() + repeats.quiet_s
        repeats.quiet_s = min(2 * repeats.quiet_s, _LONGEST_QUIET_S)
        await on_hint(request_id)

    def _request_id(self, path: str) -> str | None:
        """Read whose callback it is from the last segment, whatever the mount path; `None` without a right token."""
        segment = path.rstrip("/").rpartition("/")[2]
        try:
            named = UUID(segment[:_NAME])
        except ValueError:
            return None
        right = self._segment(named.hex).encode()
        return str(named) if hmac.compare_digest(right, segment.encode("utf-8", "replace")) else None

    def _segment(self, name: str) -> str:
        """Sign rather than remember: any process with the secret knows its callbacks, also after a restart."""
        mac = hmac.digest(self._secret, f"volcasr_async callback {name}".encode(), "sha256")
        return f"{name}-{urlsafe_b64encode(mac).decode().rstrip('=')}"


class _Repeats(Struct):
    """How soon `on_hint` may be called again for one request id."""

    quiet_s: float = _QUIET_S
    quiet_until: float = float("-inf")
    waited_for: bool = False


def _checked_url(url: str) -> str:
    """Take the address of the mount; what is wrong is said without it, for it may hold a password."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        bare = not (parts.query or parts.fragment or "@" in parts.netloc)
    except (ValueError, AttributeError, TypeError):
        whole = bare = False
    if not (whole and bare and url.isascii() and url.isprintable() and " " not in url):
        raise InputError(
            "public_url takes the address under which the service reaches the mounted receiver, such as "
            '"https://me.example/volcasr": http or https, without user, query or fragment',
            reason="usage",
        )
    return url.rstrip("/")


def _checked_secret(secret: str | bytes | None) -> bytes:
    if secret is None:
        return secrets.token_bytes(32)
    key = secret.encode() if isinstance(secret, str) else secret
    if not isinstance(key, bytes) or len(key) < _LEAST_SECRET:
        raise InputError(
            f"secret takes at least {_LEAST_SECRET} characters that nobody guesses; make some with "
            'python -c "import secrets; print(secrets.token_urlsafe(32))"',
            reason="usage",
        )
    return key


async def _drained(receive: Receive) -> bool:
    """Read the body to its end, or as far as is fair, and keep nothing; tells whether the caller is still there.

    An answer before the end would make some servers reset the connection, and the service might call again.
    """
    size = 0
    with anyio.move_on_after(_SLOWEST_BODY_S):
        while size <= _MOST_BODY:
            message = await receive()
            if message["type"] != "http.request":
                return False
            size += len(message.get("body", b""))
            if not message.get("more_body", False):
                break
    return True


async def _answer(send: Send, status: int, *headers: tuple[bytes, bytes], body: bytes = b"") -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    """Start and stop with nothing to do."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
