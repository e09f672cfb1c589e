"""What is checked of local audio before it is sent: the same decisions as those that `verdicts` tells."""

from __future__ import annotations

import logging

from volcasr_async.editions import HOUR_S, MB, Edition
from volcasr_async.errors import InputError
from volcasr_async.job import check_format
from volcasr_async.probe.facts import Probe, sentence
from volcasr_async.probe.look import examine
from volcasr_async.probe.verdicts import ADVISED_BYTES, is_too_large, is_too_long
from volcasr_async.probe.window import Window
from volcasr_async.probe.wire import described
from volcasr_async.sources import Local

_log = logging.getLogger("volcasr_async.audio")


def admit(window: Window, source: Local, edition: Edition) -> Local:
    """Return *source* with all that its bytes tell declared, or raise `InputError` for what is not to be sent.

    *window* shows the whole recording, or the first bytes of a stream (`Window.of_head`, with `SIGNATURE_BYTES` of them or
    more). What is doubtful is logged in one warning.
    """
    found = examine(window, source)
    _check(found, source.label, edition)
    _warn(found, source.label)
    return described(source, _taken_name(found.container, edition), found)


def check_size(size: int, label: str, edition: Edition) -> None:
    """Raise `InputError` for more bytes than *edition* takes."""
    if is_too_large(size, edition):
        most = edition.largest_bytes // MB
        raise InputError(
            f"{label} has {size / MB:.1f} MB, the {edition.name} edition takes {most} MB: compress it, say to OGG "
            "OPUS, or put it behind a link for the standard edition, which takes 512 MB",
            reason="too-large",
        )


def _check(found: Probe, label: str, edition: Edition) -> None:
    if not found.size:
        raise InputError(f"{label} is empty: there is nothing to recognise", reason="empty")
    if found.foreign is not None:
        what = found.problems[0].removeprefix("it is ")
        raise InputError(f"{label} is not audio but {sentence(what)} {found.cure}", reason="not-audio")
    check_size(found.size, label, edition)
    check_format(_taken_name(found.container, edition), edition)
    if found.damage is not None:
        raise InputError(f"{label} is not sent: {found.damage}. {found.cure}", reason="damaged")
    if found.duration_s is not None and is_too_long(found.duration_s, edition):
        raise InputError(
            f"the recording lasts {found.duration_s / HOUR_S:.2f} h, the {edition.name} edition takes "
            f"{edition.longest_audio_s / HOUR_S:.0f} h: cut it, or put it behind a link for the standard edition, which takes 5 h",
            reason="too-long",
        )


def _taken_name(container: str | None, edition: Edition) -> str | None:
    """Return the edition's own name for *container*: M4A is MP4, and phones write either mark into it."""
    return "m4a" if container == "mp4" and "mp4" not in edition.formats and "m4a" in edition.formats else container


def _warn(found: Probe, label: str) -> None:
    doubts = list(found.warnings)
    if found.size > ADVISED_BYTES:
        doubts.append(f"it has {found.size / MB:.1f} MB; the service advises at most 20 MB inside a request")
    if doubts:
        _log.warning("%s: %s", label, "; ".join(doubts))
