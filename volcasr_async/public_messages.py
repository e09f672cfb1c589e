"""What the caller of a web service may read about an error: fixed sentences, chosen by a code.

The sentences are constants. They contain no value, path, host, id or advice for programmers, whatever the error contains.
"""

from __future__ import annotations

from typing import Literal

InputReason = Literal[
    "missing",
    "directory",
    "unreadable",
    "empty",
    "not-audio",
    "format",
    "damaged",
    "too-large",
    "too-long",
    "link",
    "value",
    "usage",
]
"""Why an input was rejected.

`missing`: there is no such file. `directory`: a directory instead of a file. `unreadable`: the file cannot be opened or read,
is not a regular file, or changed while it was read. `empty`: no bytes. `not-audio`: text, an image or another known type of
file. `format`: audio in a container that the edition does not accept. `damaged`: a truncated or wrapped recording. `too-large`
and `too-long`: above a limit of the edition. `link`: a URL that the service cannot download. `value`: another value that is
not accepted. `usage`: the library was called incorrectly, for example with an argument of the wrong type.
"""

PublicCode = Literal[
    "recording_missing",
    "recording_unreadable",
    "recording_empty",
    "recording_not_audio",
    "recording_format",
    "recording_damaged",
    "recording_too_large",
    "recording_too_long",
    "recording_rejected",
    "link_invalid",
    "link_not_downloadable",
    "value_invalid",
    "busy",
    "unavailable",
    "not_finished",
    "timed_out",
    "uncertain",
    "not_found",
    "internal",
]
"""The stable code of a public message, a key for translations."""

CODE_OF_REASON: dict[InputReason, PublicCode] = {
    "missing": "recording_missing",
    "directory": "recording_missing",
    "unreadable": "recording_unreadable",
    "empty": "recording_empty",
    "not-audio": "recording_not_audio",
    "format": "recording_format",
    "damaged": "recording_damaged",
    "too-large": "recording_too_large",
    "too-long": "recording_too_long",
    "link": "link_invalid",
    "value": "value_invalid",
    "usage": "internal",
}

MESSAGES: dict[PublicCode, str] = {
    # The recording, the link or a value of the caller is at fault: another input can succeed.
    "recording_missing": "The recording was not found. Send it again.",
    "recording_unreadable": "The recording cannot be read. Send it again.",
    "recording_empty": "The recording contains no audio. Check the recording and send it again.",
    "recording_not_audio": "The file is not an audio recording that can be transcribed. Send a WAV, MP3 or Ogg Opus file.",
    "recording_format": (
        "The recording cannot be decoded, or its format is not supported. Send it as a WAV, MP3 or Ogg Opus file."
    ),
    "recording_damaged": "The recording is damaged or incomplete. Check the recording and send it again.",
    "recording_too_large": "The recording is too large. Compress it, or split it into shorter recordings.",
    "recording_too_long": "The recording is too long. Split it into shorter recordings.",
    "recording_rejected": "The recording cannot be transcribed. Check the recording, or send another one.",
    "link_invalid": "The link cannot be used. Send a public http or https link to the recording itself.",
    "link_not_downloadable": (
        "The recording could not be downloaded from the link. Check that the link opens the recording without a login, "
        "and that it has not expired."
    ),
    "value_invalid": "A value of the request is not accepted. Check the request.",
    # Nobody is at fault, or the recognition service: the same request can succeed later.
    "busy": "Too many recordings are being processed. Try again later.",
    "unavailable": "The recording could not be transcribed because of a temporary problem. Try again later.",
    "not_finished": "The transcription is not finished yet. Ask for the result again later.",
    "timed_out": "The transcription took too long. Try again later.",
    "uncertain": (
        "The recording was sent, and it is not known whether it was accepted. It may be processed twice if it is sent again."
    ),
    "not_found": "The transcription does not exist, or it has expired. Send the recording again.",
    # The operator of the web service is at fault.
    "internal": "The recording cannot be transcribed because of a problem on our side. Sending it again does not help.",
}
