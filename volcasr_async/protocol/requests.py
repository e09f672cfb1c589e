"""What goes out: an order in the service's own shape (doc 2606791, doc 2608628)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import asdict

from volcasr_async.job import Order
from volcasr_async.options import Corpus, Options, WireFields
from volcasr_async.protocol.envelope import HOLE
from volcasr_async.sources import AudioUrl

_encode = msgspec.json.encode


class UserSection(Struct, frozen=True):
    """`user`: whose recording it is."""

    uid: str


class AudioSection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`audio`: exactly one of url and data."""

    url: str | None = None
    data: Raw | None = None
    format: str | None = None
    codec: str | None = None
    rate: int | None = None
    bits: int | None = None
    channel: int | None = None
    language: str | None = None


class CorpusSection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`request.corpus`: an object (the tree), its context a serialised string (doc 2606791, 2026-09)."""

    boosting_table_name: str | None = None
    boosting_table_id: str | None = None
    correct_table_name: str | None = None
    correct_table_id: str | None = None
    regex_correct_table_name: str | None = None
    regex_correct_table_id: str | None = None
    context: str | None = None


class RequestSection(WireFields, frozen=True, kw_only=True, omit_defaults=True):
    """`request`: the recognition options."""

    model_name: str
    sensitive_words_filter: str | None = None
    corpus: CorpusSection | None = None


class SubmitBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The whole body of a v3 submit or flash request."""

    audio: AudioSection
    request: RequestSection | dict[str, Any]
    user: UserSection | None = None
    callback: str | None = None
    callback_data: str | None = None


def submit_body(order: Order) -> SubmitBody:
    """Put an order into the v3 shape; local audio leaves a hole."""
    job = order.job
    return SubmitBody(
        audio=audio_section(order),
        request=_request_section(order.options),
        user=UserSection(job.uid) if job.uid is not None else None,
        callback=job.callback,
        callback_data=job.callback_data,
    )


def audio_section(order: Order) -> AudioSection:
    """Describe the audio."""
    source = order.source
    linked = isinstance(source, AudioUrl)
    return AudioSection(
        url=source.url if isinstance(source, AudioUrl) else None,
        data=None if linked else HOLE,
        format=order.format,
        codec=source.codec,
        rate=source.rate,
        bits=source.bits,
        channel=source.channel,
        language=source.language,
    )


def _request_section(options: Options) -> RequestSection | dict[str, Any]:
    words = options.sensitive_words_filter
    section = RequestSection(
        model_name="bigmodel",  # the only value there is
        sensitive_words_filter=words if words is None or isinstance(words, str) else _encode(words).decode(),
        corpus=_corpus_section(options.corpus) if options.corpus is not None else None,
        **{name: getattr(options, name) for name in WireFields.__struct_fields__},
    )
    if not options.extra:
        return section
    known: dict[str, Any] = msgspec.to_builtins(section)
    return known | dict(options.extra)


def _corpus_section(corpus: Corpus) -> CorpusSection:
    fields = asdict(corpus)
    words = [{"word": word} for word in fields.pop("hotwords")]
    context = fields.pop("context")
    if words:
        context = {**(context or {}), "hotwords": [*(context or {}).get("hotwords", ()), *words]}
    if context is not None and not isinstance(context, str):
        context = _encode(context).decode()
    return CorpusSection(context=context, **fields)
