"""LIST: the bytes of the file. A line is a recording that can be asked for, or a bad line that shows no secret."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from fuzz_kit import TASK_ID, Target, scratch, shows_no_query, told

from volcasr_async import AppKey, AudioUrl
from volcasr_async.cli.console import CommandError, explained
from volcasr_async.cli.listing import BadLine, Defaults, Item, Listing
from volcasr_async.cli.options import AudioFlags
from volcasr_async.editions import Edition
from volcasr_async.errors import InputError
from volcasr_async.job import as_edition, as_job, prepare
from volcasr_async.journal import request_id_of
from volcasr_async.options import Options
from volcasr_async.protocol.dialects import dialect_of
from volcasr_async.protocol.messages import Access

_ACCESS = Access(AppKey("1234567890", "access-token-secret"))


def run(data: bytes) -> None:
    """Read a list to its end, and go as far with each recording as its first request."""
    path = scratch() / "list.txt"
    path.write_bytes(data)
    bad: list[BadLine] = []
    try:
        listing = Listing(str(path), Defaults(Options(), AudioFlags(), _edition), bad.append)
    except CommandError as error:
        told(error)
        return
    try:
        found = list(listing.items())  # type: ignore[arg-type]  # a file is read without waiting
        count = listing.count()
    finally:
        listing.close()
    assert count == len(found) + len(bad)
    for item in found:
        _check_item(item)
    for line in bad:
        _check_bad(line)


def _edition(name: str) -> Edition:
    return as_edition(name, cluster="volc_auc_common")


def _check_item(item: Item) -> None:
    job = as_job(item)
    shows_no_query(job.name.replace("?sha256=", ""))
    assert request_id_of(TASK_ID, job.name, 0)
    assert repr(item) or repr(job)
    try:
        order = prepare(job, edition=None, options=None, cluster=None)
    except InputError as error:
        shows_no_query(" ".join(explained(error)))
        return
    if isinstance(order.source, AudioUrl):
        call = dialect_of(order.edition, _ACCESS).open(order)
        msgspec.json.decode(call.prefix + call.suffix)
        assert call.content_length() == len(call.prefix + call.suffix)


def _check_bad(bad: BadLine) -> None:
    assert str(bad.error)
    shows_no_query(" ".join(explained(bad.error)))
    for text in (bad.line.source, bad.line.key, bad.line.callback):
        shows_no_query(text or "")
    assert msgspec.json.decode(msgspec.json.encode(bad.line), type=type(bad.line)) == bad.line


def seeds() -> Iterator[bytes]:
    """Bring lists as people write them."""
    yield b"https://example.com/a.mp3?X-Tos-Signature=abc\n# a comment\n\naudio/b.wav\n"
    yield b"\xef\xbb\xbfhttps://example.com/a.mp3\r\nexample.com/b.mp3\r\nhttp://user:word@example.com/c\r\n"
    yield (
        b'{"source":"https://example.com/a.ogg","key":"one","edition":"idle","format":"ogg","codec":"opus","rate":16000,'
        b'"bits":16,"channel":1,"language":"en-US","callback":"https://me.example/x","callback_data":"d","uid":"u"}\n'
    )
    yield (
        b'{"source":"https://example.com/a.mp3","edition":"v1","options":{"enable_itn":false,"extra":{"x":"y"}}}\n'
        b'{"source":"a.wav","edition":"flash","options":{"corpus":{"hotwords":["a"],"context":{"b":[1]}}}}\n'
    )
    yield (
        b'{"key":"https://example.com/a.mp3?sha256=abc","line":3,"error":"EmptyAudio","message":"45000002"}\n'
        b'{"source":"https://example.com/a.mp3?...","key":"http://[::1]/x","edition":"standard"}\n'
        b'{"source":"https://example.com/a","options":{"ssd_version":"200","ssd_mode":1,"sensitive_words_filter":"x"}}\n'
    )


TARGET = Target(
    run,
    seeds,
    (
        *('{"source":"https://example.com/a.mp3"', '"key":"', '"edition":"v1"', '"options":{', '"corpus":{', "}}\n"),
        *("://", "?x=y", "#", "user:word@", "[::1]", "\\n", "\\r", "\\x00", "example.com/", '"rate":1e9', '"bits":-1'),
        *('"extra":{', '"hotwords":[', '"context":', '"enable_ddc":true', '"end_window_size":300', "\\xe3\\x80\\x80"),
    ),
)
