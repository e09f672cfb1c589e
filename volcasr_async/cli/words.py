"""The shell's words for those of Python: the library's cures name values, the command has flags."""

from __future__ import annotations

import re
from functools import cache

from volcasr_async.options import Corpus, Options, SensitiveWords

_EXACT = {
    "pass AudioUrl(url, format=...)": "give --audio-format",
    "pass AucV1(cluster) or set VOLCASR_CLUSTER": "give --cluster or set VOLCASR_CLUSTER",
    "pass AppKey(app_key, access_key) or set": "set",
    "; for a local file pass pathlib.Path(...)": "; for a local file give its path",
    ", or pass credentials": "",
    "; Standard(inline_audio=True) insists, for accounts where the service takes it": "",
    " Wait for error.task again, nothing is charged for that": " Waiting for it again is free",
    "and pass the edition with resource_id=...": "and give it with --resource-id",
    "into ApiKey (VOLCASR_API_KEY)": "into VOLCASR_API_KEY",
    "into AppKey (VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY)": "into VOLCASR_APP_KEY and VOLCASR_ACCESS_KEY",
    "Limits(qps=..., concurrency=...)": "--qps and --concurrency",
    "RetryPolicy(pay_again=True)": "volcasr batch --pay-again",
    "RetryPolicy(resubmit_v1=True)": "volcasr batch --resend-uncertain",
    "RetryPolicy(resend_flash=True)": "volcasr batch --resend-uncertain",
    "(redo=True, --redo)": "(--redo)",
    "use columns=None for": "leave --columns out for",
    "Layout needs numbers of seconds, 0 <= shortest_s <= longest_s": "--shortest may not be above --longest, nor below 0",
    "; None means no limit": "; leave it out for no limit",
    'http="aiohttp" needs': "--engine aiohttp needs",
    "AudioUrl(url) is not a URL": "this is no link that can be read",
    "AudioUrl(url)": "the link",
    "ApiKey(key)": "the API key",
    "Leave format= out": "Leave --audio-format out",
    ", or declare format=": ", or give --audio-format ",
    "for raw samples declare format=": "for raw samples give --audio-format ",
    "Decode it first: base64.b64decode(data)": "Decode it first: base64 -d FILE > RECORDING",
    'Decode what follows the comma: base64.b64decode(uri.partition(",")[2])': (
        "Decode what follows the comma: cut -d, -f2 FILE | base64 -d > RECORDING"
    ),
    "or pass the audio itself (pathlib.Path, bytes)": "or give the file itself",
    "or leave callback out": "or leave --callback out",
    "set enable_auto_lang=True to have it detected": "give --enable-auto-lang to have it detected",
    "Have the page upload the recording, and pass its bytes": "Save the recording to a file, and give its path",
    'Decode it and pass bytes: base64.b64decode(url.partition(",")[2])': "Decode it into a file, and give its path",
    "name the recording with Job(source, key=...)": 'give it a "key" in a JSON line',
    "give this one a key, Job(source, key=...)": 'give this one a "key" in a JSON line',
    "Task.to_json or `volcasr submit`": "`volcasr submit`",
    "read it and pass AudioStream or bytes": "give it to volcasr transcribe, which reads pipes",
    "a list of recordings goes to a batch": "a list of recordings goes to volcasr batch",
}
_CALLS = (
    (re.compile(r"\b(?:AucV1|Standard|Idle|Flash)\((cluster|resource_id)\)"), lambda m: _flag(m[1])),
    (re.compile(r"\bLayout\((\w+?)(?:_s)?=([^)]*)\)"), lambda m: f"{_flag(m[1])} {m[2]}".removesuffix(" ...")),
    (re.compile(r"\bJob\((callback|callback_data|uid)\)"), lambda m: _flag(m[1])),
    (re.compile(r"\bPass pathlib\.Path\(('.*?'|\".*?\"|.*?\.\.\.)\)"), lambda m: f"Give the path: {m[1]}"),
    (re.compile(r'\bextra=\{"\w+": \.\.\.\}'), lambda _: "--extra NAME=JSON"),
    (re.compile(r"\b(?:Options|Corpus|SensitiveWords|Job|AppKey)\((\w+)\)"), lambda m: m[1]),
    (re.compile(r'\bextra=\{"([^"]*)": "True"\}'), lambda m: f"--extra '{m[1]}=\"True\"'"),
    (re.compile(r"(?<![\w./?&-])format=(?=['\"])"), lambda _: "--audio-format "),
)
_ASSIGNED = ("codec", "rate", "bits", "channel", "language")
_OF_JOB = ("callback_data",)


def in_flags(text: str) -> str:
    """Put the shell's words for those of Python."""
    for python, shell in _EXACT.items():
        text = text.replace(python, shell)
    for pattern, spelled in _CALLS:
        text = pattern.sub(spelled, text)
    return _fields().sub(lambda found: _flag(found["name"]) + (" " if found["is"] else ""), text)


@cache
def _fields() -> re.Pattern[str]:
    """Find the names of fields: those with an underscore anywhere but in paths, plain words only before a value."""
    names = {*Options.__struct_fields__, *Corpus.__struct_fields__, *SensitiveWords.__struct_fields__, *_OF_JOB}
    long = "|".join(sorted((name for name in names if "_" in name), key=len, reverse=True))
    short = "|".join(_ASSIGNED)
    return re.compile(
        rf"(?<![\w./?&-])(?:corpus\.)?(?P<name>(?:{long})(?![\w/-]|\.\w)|(?:{short})(?==))(?P<is>=(?=[\w'\"-]))?"
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: 1 request, 2 requests; the *plural* is the noun with an s by default."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"
