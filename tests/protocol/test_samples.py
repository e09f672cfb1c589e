"""Every recorded reply through the dialect that would get it, and every documented request out of it."""

import json
from typing import Any

import pytest
from ground import CLUSTER, ID, PAIR, SAMPLED, SAMPLES, body_of, order_of, reply_of, sample, speak, task_in, task_of

from volcasr_async import AppKey, AucV1, AudioBytes, AudioUrl, Flash, Idle, Options, Standard
from volcasr_async import errors as e
from volcasr_async.models import Pending, Transcript
from volcasr_async.protocol.messages import Reply

STANDARD, IDLE, FLASH = Standard(), Idle(), Flash()
NO_STEP = "a request of the service to a callback, not a reply to one of ours"

# file -> (edition, phase) -> verdict, as samples/README.md says it.
TABLE: dict[str, list[tuple[Any, str, str]]] = {
    "v3_submit_ok": [(STANDARD, "submit", "accepted"), (IDLE, "submit", "accepted")],
    "v3_submit_ok_empty_bytes": [(STANDARD, "submit", "accepted"), (IDLE, "submit", "accepted")],
    "v3_submit_ok_with_task_id": [(STANDARD, "submit", "accepted"), (IDLE, "submit", "accepted")],
    "v3_submit_invalid_param": [(STANDARD, "submit", "reject-job InvalidRequest")],
    "v3_submit_too_large": [(STANDARD, "submit", "reject-job AudioTooLarge")],
    "v3_submit_window_exceeded": [(STANDARD, "submit", "back-off RateLimited")],
    "v3_query_queued": [(STANDARD, "query", "pending queued"), (IDLE, "query", "pending queued")],
    "v3_query_processing": [(STANDARD, "query", "pending processing")],
    "v3_query_ok_empty_body_still_running": [(STANDARD, "query", "pending processing")],
    "v3_query_done_documented": [(STANDARD, "query", "done"), (IDLE, "query", "done")],
    "v3_query_done_documented_duplicate_key": [(STANDARD, "query", "done")],
    "v3_query_done_doc_style": [(STANDARD, "query", "done")],
    "v3_query_done_no_flags": [(STANDARD, "query", "done")],
    "v3_query_done_speaker_channel": [(STANDARD, "query", "done")],
    "v3_query_done_customer_service_fields": [(STANDARD, "query", "done")],
    "v3_query_done_english_whitespace_tokens": [(STANDARD, "query", "done")],
    "v3_query_done_result_list": [(STANDARD, "query", "done")],
    "v3_query_done_empty_text": [(STANDARD, "query", "done")],
    "v3_query_silence": [(STANDARD, "query", "silent"), (IDLE, "query", "silent"), (FLASH, "flash", "silent")],
    "v3_query_task_not_found": [(STANDARD, "query", "missing TaskNotFound")],
    "v3_query_empty_audio": [(STANDARD, "query", "reject-job EmptyAudio")],
    "v3_query_audio_download_failed": [(STANDARD, "query", "reject-job AudioDownloadFailed")],
    "v3_query_bad_format": [(STANDARD, "query", "reject-job BadAudioFormat")],
    "v3_query_server_busy": [(STANDARD, "query", "back-off ServerBusy")],
    "v3_query_server_timeout": [(STANDARD, "query", "new-task ServerError")],
    "v3_flash_ok_documented": [(FLASH, "flash", "done")],
    "v3_flash_ok": [(FLASH, "flash", "done")],
    "v3_flash_audio_download_failed": [(FLASH, "flash", "reject-job AudioDownloadFailed")],
    "gateway_401_invalid_api_key": [
        (STANDARD, "submit", "reject-account AuthenticationFailed"),
        (STANDARD, "query", "reject-account AuthenticationFailed"),
        (FLASH, "flash", "reject-account AuthenticationFailed"),
    ],
    "gateway_401_grant_not_found": [
        (STANDARD, "submit", "reject-account AuthenticationFailed"),
        (STANDARD, "query", "reject-account AuthenticationFailed"),
        (FLASH, "flash", "reject-account AuthenticationFailed"),
    ],
    "gateway_403_resource_not_granted": [
        (STANDARD, "submit", "reject-account ResourceNotGranted"),
        (STANDARD, "query", "reject-account ResourceNotGranted"),
        (FLASH, "flash", "reject-account ResourceNotGranted"),
    ],
    "gateway_403_flat_body": [
        (STANDARD, "submit", "reject-account ResourceNotGranted"),
        (STANDARD, "query", "reject-account ResourceNotGranted"),
        (FLASH, "flash", "reject-account ResourceNotGranted"),
    ],
    "gateway_429_qps": [
        (STANDARD, "submit", "back-off RateLimited"),
        (STANDARD, "query", "back-off RateLimited"),
        (FLASH, "flash", "back-off RateLimited"),
    ],
    "gateway_concurrency": [
        (STANDARD, "submit", "back-off RateLimited"),
        (STANDARD, "query", "back-off RateLimited"),
        (FLASH, "flash", "back-off RateLimited"),
    ],
    "gateway_429_quota_lifetime": [
        (STANDARD, "submit", "reject-account QuotaExceeded"),
        (STANDARD, "query", "reject-account QuotaExceeded"),
        (FLASH, "flash", "reject-account QuotaExceeded"),
    ],
    "gateway_query_without_body": [(STANDARD, "query", "back-off InvalidRequest")],
    "gateway_502_html_no_api_headers": [
        (STANDARD, "submit", "ask-first ServerError"),
        (STANDARD, "query", "back-off ServerError"),
        (FLASH, "flash", "ask-first ServerError"),
        (CLUSTER, "submit", "ask-first ServerError"),
    ],
    "v1_auc_submit_ok_documented": [(CLUSTER, "submit", "accepted")],
    "v1_auc_submit_ok_code_string": [(CLUSTER, "submit", "accepted")],
    "v1_auc_submit_ok_code_int": [(CLUSTER, "submit", "accepted")],
    "v1_auc_query_queued": [(CLUSTER, "query", "pending queued")],
    "v1_auc_query_processing": [(CLUSTER, "query", "pending processing")],
    "v1_auc_query_processing_no_id": [(CLUSTER, "query", "pending processing")],
    "v1_auc_query_done_documented": [(CLUSTER, "query", "done")],
    "v1_auc_query_done": [(CLUSTER, "query", "done")],
    "v1_auc_query_silence": [(CLUSTER, "query", "silent")],
    "v1_auc_error_no_permission": [
        (CLUSTER, "submit", "reject-account AuthenticationFailed"),
        (CLUSTER, "query", "reject-account AuthenticationFailed"),
    ],
    "v1_callback_payload": [],
}


def step(edition: Any, phase: str, reply: Reply) -> Pending | Transcript:
    dialect = speak(edition)
    if phase == "query":
        followed: Pending | Transcript = dialect.read_follow(task_in(reply, edition), reply)
        return followed
    return dialect.read_open(order_of(AudioUrl("https://example.com/a.mp3"), edition), reply, at=1.0)


def verdict(edition: Any, phase: str, reply: Reply) -> str:
    """Name what a dialect made of a reply in the words of the samples' README."""
    try:
        found = step(edition, phase, reply)
    except e.ServiceError as error:
        kind = type(error).__name__
        if error.account_wide:
            return f"reject-account {kind}"
        if phase != "query" and error.retryable and error.evidence == "nothing":
            return f"ask-first {kind}"
        if error.new_task:
            return f"new-task {kind}"
        if isinstance(error, e.TaskNotFound):
            return f"missing {kind}"
        return f"{'back-off' if error.retryable else 'reject-job'} {kind}"
    except e.ReplyError:
        return "unreadable"
    if isinstance(found, Pending):
        return found.phase if found.phase == "accepted" else f"pending {found.phase}"
    return "silent" if found.silent else "done"


@pytest.mark.parametrize(
    ("name", "edition", "phase", "expected"),
    [(name, *row) for name, rows in TABLE.items() for row in rows],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_verdict_of_each_sample(name: str, edition: Any, phase: str, expected: str) -> None:
    """Each recorded reply means to the dialect what the samples' README says."""
    assert verdict(edition, phase, reply_of(name)) == expected


def test_no_sample_is_forgotten() -> None:
    """The table names every file, and no file that is not there."""
    assert set(TABLE) == {path.stem for path in SAMPLES.glob("*.json")}


@pytest.mark.parametrize("name", [name for name, rows in TABLE.items() if any(r[2] == "done" for r in rows)])
def test_done_samples_lose_nothing(name: str) -> None:
    """Text, duration, times, words, additions and the raw body of each finished sample arrive."""
    edition, phase, _ = TABLE[name][0]
    reply = reply_of(name)
    got = step(edition, phase, reply)
    assert isinstance(got, Transcript)
    body = json.loads(reply.body)
    result = body.get("result", body.get("resp"))
    result = result[0] if isinstance(result, list) else result
    assert got.text == result["text"]
    assert got.duration_ms == body.get("audio_info", {}).get("duration")
    assert got.raw == reply.body
    assert got.log_id == reply.headers.get("x-tt-logid")
    assert got.task == (None if phase == "flash" else task_in(reply, edition))
    for mine, theirs in zip(got.utterances, result["utterances"], strict=True):
        assert (mine.text, mine.start_ms, mine.end_ms) == (theirs["text"], theirs["start_time"], theirs["end_time"])
        assert mine.additions == theirs.get("additions", {})
        assert [(w.text, w.start_ms, w.end_ms) for w in mine.words] == [
            (w["text"], w["start_time"], w["end_time"]) for w in theirs["words"]
        ]


def test_the_task_id_of_a_submit_s_reply_is_the_task_s_id() -> None:
    """The result is queried by it (doc 2606791); where the reply has none, by the request id."""
    named = step(STANDARD, "submit", reply_of("v3_submit_ok_with_task_id"))
    unnamed = step(STANDARD, "submit", reply_of("v3_submit_ok"))
    assert isinstance(named, Pending)
    assert isinstance(unnamed, Pending)
    assert (named.task.id, named.task.request_id) == (SAMPLED, ID)
    assert (unnamed.task.id, unnamed.task.request_id) == (ID, ID)


def test_the_last_of_two_equal_keys_wins() -> None:
    """`audio_info` printed twice (doc 1354868) gives the second duration."""
    got = step(STANDARD, "query", reply_of("v3_query_done_documented_duplicate_key"))
    assert isinstance(got, Transcript)
    assert got.duration_ms == 3696


def test_speakers_and_channels_are_found() -> None:
    """Labels are read from `additions`, as strings."""
    got = step(STANDARD, "query", reply_of("v3_query_done_speaker_channel"))
    assert isinstance(got, Transcript)
    assert [(u.speaker, u.channel) for u in got.utterances] == [("1", "1"), ("2", "2")]


def test_silence_tells_the_duration() -> None:
    """20000003 is an empty transcript with the recording's length."""
    got = step(STANDARD, "query", reply_of("v3_query_silence"))
    assert isinstance(got, Transcript)
    assert (got.text, got.silent, got.duration_ms, got.task) == ("", True, 3000, task_of())


def test_window_exceeded_pauses_submits() -> None:
    """45000131 asks submits, not queries, to wait for minutes."""
    with pytest.raises(e.RateLimited) as caught:
        step(STANDARD, "submit", reply_of("v3_submit_window_exceeded"))
    assert caught.value.pauses_submits


@pytest.mark.parametrize(
    ("edition", "phase", "evidence"),
    [
        (STANDARD, "submit", "check"),
        (IDLE, "submit", "check"),
        (STANDARD, "query", "nothing"),
        (FLASH, "flash", "refused"),
    ],
    ids=["standard", "idle", "query", "flash"],
)
def test_what_45000001_proves(edition: Any, phase: str, evidence: str) -> None:
    """At submit a query finds out whether it is a repetition; flash has no query, and a query's own fault says nothing."""
    with pytest.raises(e.InvalidRequest) as caught:
        step(edition, phase, reply_of("v3_submit_invalid_param"))
    assert caught.value.evidence == evidence


def test_the_callback_body_reads_like_a_query_reply() -> None:
    """A v1 callback has the body of a query reply (doc 80820), so the same reading fits."""
    assert verdict(CLUSTER, "query", reply_of("v1_callback_payload")) == "done", NO_STEP


# ---- requests ----

BARE = Options(enable_itn=None, enable_punc=None, show_utterances=None)
# The documents' own values are placeholders, which are refused: ours are put in here, and theirs back into the headers.
DOCUMENT_PAIR = AppKey("123456789", "our-access-key")
PLACEHOLDERS = {"our-access-key": "your-access-key", "Bearer; the-token": "Bearer; your-token"}
# v1's documents leave appid, token and cluster empty, which our values refuse: put in here, taken out of the body again.
V1_PAIR = AppKey("the-app", "the-token")
UID = "388808087185088"


def v1_query() -> Any:
    edition = AucV1("the-cluster")
    return speak(edition, V1_PAIR).follow(task_of(edition, id="fc5aa03e-6ae4-46a3-b8cf-1910a44e0d8a"))


def v1_submit(url: str, uid: str, options: Options, container: str) -> Any:
    edition = AucV1("the-cluster")
    return speak(edition, V1_PAIR).open(order_of(AudioUrl(url, format=container), edition, options, uid=uid))


def v3(edition: Any, source: Any, options: Options, uid: str) -> Any:
    return speak(edition, DOCUMENT_PAIR).open(order_of(source, edition, options, uid=uid))


SAMPLE_URL = "http://xxx.com/obj/sample.mp3"
REQUESTS = {
    # name: (our call, what we put differently on purpose as {path: (theirs, ours)})
    "v3_flash_url": (v3(FLASH, "https://example.com/audio.wav", BARE, "你的AppID"), {}),
    "v3_flash_data": (v3(FLASH, AudioBytes(b"..."), BARE, "你的AppID"), {}),
    "v3_standard_submit": (
        v3(STANDARD, AudioUrl(SAMPLE_URL, format="mp3"), Options(enable_punc=None, show_utterances=None), UID),
        {},
    ),
    "v3_standard_query": (speak(STANDARD, DOCUMENT_PAIR).follow(task_of(STANDARD)), {}),
    "v1_auc_query": (
        v1_query(),
        {"appid": ("", "the-app"), "token": ("", "the-token"), "cluster": ("", "the-cluster")},
    ),
    "v1_auc_submit": (
        v1_submit(
            SAMPLE_URL,
            UID,
            Options(enable_itn=False, enable_punc=None, enable_speaker_info=True, show_utterances=None),
            "mp3",
        ),
        {"app.appid": ("", "the-app"), "app.token": ("", "the-token"), "app.cluster": ("", "the-cluster")},
    ),
    "v1_auc_submit_demo": (
        v1_submit(
            "http://xxx.com/a.wav",
            UID + "_demo",
            Options(enable_itn=None, enable_punc=None, enable_speaker_info=False, show_utterances=None),
            "wav",
        ),
        {
            "app.appid": ("", "the-app"),
            "app.token": ("", "the-token"),
            "app.cluster": ("", "the-cluster"),
            # The demo leaves the link to be filled in.
            "audio.url": ("", "http://xxx.com/a.wav"),
        },
    ),
}
# The demo of doc 80820 sends no JSON content type; the text above it demands one.
HEADERS_WE_ADD = {"v1_auc_submit_demo": {"content-type": "application/json"}}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_the_documents_own(name: str) -> None:
    """Path, headers and body of every documented request come out of the dialects; differences are listed."""
    call, differences = REQUESTS[name]
    theirs = sample(f"requests/{name}")
    assert theirs["method"] == "POST"
    assert theirs["url"] == f"https://openspeech.bytedance.com{call.path}"
    body = body_of(call, audio="base64编码音频内容")
    for path, (wanted, ours) in differences.items():
        *parents, last = path.split(".")
        section = body
        for parent in parents:
            section = section[parent]
        assert section[last] == ours
        section[last] = wanted
    assert body == theirs["body"]
    expected = {key.lower(): value for key, value in theirs["headers"].items()} | HEADERS_WE_ADD.get(name, {})
    assert {key.lower(): PLACEHOLDERS.get(value, value) for key, value in call.headers} == expected
    assert len(call.headers) == len(expected), "a header stands twice"


def test_no_request_is_forgotten() -> None:
    """Every documented request is held against ours."""
    assert set(REQUESTS) == {path.stem for path in (SAMPLES / "requests").glob("*.json")}


def test_what_we_send_without_being_asked() -> None:
    """Only the three options whose defaults changed or hide what everybody wants go out unasked."""
    body = body_of(speak(STANDARD, PAIR).open(order_of()))
    assert body == {
        "audio": {"url": "https://example.com/a.mp3"},
        "request": {"model_name": "bigmodel", "enable_itn": True, "enable_punc": True, "show_utterances": True},
    }
    assert ID not in json.dumps(body)
