"""What fuzzing has found: each of these was an exception that nobody expects, or a result that was lost."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from fuzz_journal import run as run_journal
from fuzz_journal import seeds as journals
from fuzz_kit import TASK_ID, scratch
from fuzz_listing import run as run_list
from fuzz_reply import run as run_reply

from volcasr_async import AppKey, AucV1, Job, Pending, Standard, Task, Transcript, read_transcript
from volcasr_async.cli.connection import read_credentials
from volcasr_async.cli.console import CommandError
from volcasr_async.cli.listing import BadLine, Defaults, Listing
from volcasr_async.cli.options import AudioFlags
from volcasr_async.cli.status import read_report
from volcasr_async.editions import Edition
from volcasr_async.errors import InputError, InvalidRequest, JournalError, RateLimited, without_queries
from volcasr_async.job import as_edition, as_job, prepare
from volcasr_async.journal import Change
from volcasr_async.journal_file import Total, summary
from volcasr_async.options import Options
from volcasr_async.probe import probe
from volcasr_async.protocol.auc import AucDialect
from volcasr_async.protocol.messages import Access, Reply
from volcasr_async.protocol.results import transcript_of
from volcasr_async.protocol.standard import StandardDialect
from volcasr_async.sources import AudioBytes
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.subtitles import to_markdown

anyio = pytest.mark.anyio
_ACCESS = Access(AppKey("1234567890", "access-token-secret"))
_TASK = Task(id=TASK_ID, edition=Standard(), request_id=TASK_ID, submitted_at=1.0, key="k")
_V1 = AucV1("volc_auc_common")
_JOURNAL = next(journals())


def done(body: bytes) -> Transcript:
    """Take the answer to a query that says success."""
    reply = Reply(200, {"x-api-status-code": "20000000"}, body)
    step = StandardDialect(Standard(), _ACCESS).read_follow(_TASK, reply)
    assert isinstance(step, Transcript)
    return step


# ---- replies ----


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'\xef\xbb\xbf{"audio_info":{"duration":5},"result":{"text":"good"}}', "good"),
        (b'{"audio_info":{"duration":5},"result":{"text":"good\\ud83d"}}', "good\ufffd"),
        (b'{"audio_info":{"duration":5},"result":{"text":"good\\ud83d\\ude00"},"new":"\\udc00"}', "good\U0001f600"),
        (b'{"audio_info":{"duration":5},"result":{"text":"go\nod"}}', "go\nod"),
        (b'{"audio_info":{"duration":5},"result":{"text":"good","confidence":NaN}}', "good"),
        (b'{"audio_info":{"duration":5},"result":{"text":"good"}}\0', "good"),
    ],
    ids=["byte order mark", "half a pair", "half a pair elsewhere", "bare line end", "NaN", "NUL behind"],
)
def test_a_paid_text_in_json_that_strict_readers_refuse(body: bytes, text: str) -> None:
    """It was unreadable, asked for until the deadline, and lost."""
    told = done(body)
    assert (told.text, told.duration_ms) == (text, 5)
    assert read_transcript(told.to_json()) == told
    assert read_transcript(body).text == text
    assert transcript_of(body, log_id=None, silent=False, task=_TASK).text == text


@pytest.mark.parametrize("value", ["99999999999999999999", "1e300", '"1e300"', "-1e300", "9223372036854775808"])
def test_times_beyond_belief_are_none(value: str) -> None:
    """A length that SQLite cannot hold ended a whole batch; one that no float can hold, the writing of minutes."""
    times = f'"start_time":{value},"end_time":{value}'
    words = f'[{{"text":"a",{times}}}]'
    utterances = f'[{{"text":"a",{times},"words":{words}}}]'
    told = done(f'{{"audio_info":{{"duration":{value}}},"result":{{"text":"a","utterances":{utterances}}}}}'.encode())
    assert told.duration_ms is None
    [utterance] = told.utterances
    assert (utterance.start_ms, utterance.words[0].end_ms) == (-1, -1)
    assert to_markdown(told)


@anyio
async def test_a_length_beyond_belief_is_kept(tmp_path: Path) -> None:
    """The journal takes whatever a reply says."""
    told = done(b'{"audio_info":{"duration":99999999999999999999},"result":{"text":"a"}}')
    journal = await SqliteJournal.open(tmp_path / "run.db")
    journal.note(
        Change(
            key="k",
            state="done",
            edition="standard",
            attempt=0,
            request_id=TASK_ID,
            fingerprint="f",
            charged="yes",
            transcript=told,
        )
    )
    await journal.aclose()
    assert summary(tmp_path / "run.db") == [Total("done", "yes", 1, 0)]


def test_retry_after_of_many_digits() -> None:
    """It was an OverflowError."""
    with pytest.raises(RateLimited) as caught:
        StandardDialect(Standard(), _ACCESS).read_follow(_TASK, Reply(429, {"retry-after": "9" * 400}, b""))
    assert caught.value.retry_after_s == 3600


@pytest.mark.parametrize("said", ["x-api-message", "body"])
def test_a_message_without_end(said: str) -> None:
    """Megabytes of it went into error, log and journal; full of links, they held the event loop for minutes."""
    text = "why? " + "://a" * 5_000
    headers = {"x-api-message": text} if said == "x-api-message" else {}
    body = msgspec.json.encode({"code": 45000001, "message": text})
    with pytest.raises(InvalidRequest) as caught:
        StandardDialect(Standard(), _ACCESS).read_follow(_TASK, Reply(200, headers, body))
    assert len(caught.value.message) <= 2000
    assert caught.value.message.startswith("why? ")


def test_any_id_that_v1_gives_can_be_kept() -> None:
    """The journal refused to read the row of an accepted job, and with it the batch could not go on."""
    job = Job("https://example.com/a.wav", request_id=TASK_ID)
    order = prepare(job, edition=_V1, options=None, cluster=None)
    reply = Reply(200, {}, '{"resp":{"code":1000,"id":"任务 1"}}'.encode())
    step = AucDialect(_V1, _ACCESS).read_open(order, reply, at=1.0)
    assert isinstance(step, Pending)
    assert Task.from_json(step.task.to_json()) == step.task


def test_silence_stays_silent() -> None:
    """A text beside the code of silence came to life when the transcript was read again."""
    reply = Reply(200, {"x-api-status-code": "20000003"}, b'{"audio_info":{"duration":5},"result":{"text":"a"}}')
    told = StandardDialect(Standard(), _ACCESS).read_follow(_TASK, reply)
    assert isinstance(told, Transcript)
    assert read_transcript(told.to_json()) == told


@pytest.mark.parametrize("more", ['{"id":"1"}', '{"text":"other"}', "null", "5"])
def test_a_newer_field_of_the_other_family(more: str) -> None:
    """With `resp` in a v3 body, or `result` in one of v1, the kept result was not found again."""
    v3 = f'{{"resp":{more},"audio_info":{{"duration":5}},"result":{{"text":"good"}}}}'.encode()
    v1 = f'{{"result":{more},"resp":{{"code":1000,"text":"good"}}}}'.encode()
    of_v1 = msgspec.structs.replace(_TASK, edition=_V1)
    for body, task in ((v3, _TASK), (v1, of_v1)):
        kept = transcript_of(body, log_id=None, silent=False, task=task)
        assert kept.text == "good"
        assert read_transcript(kept.to_json()) == kept


def test_a_result_with_a_byte_order_mark() -> None:
    """What an editor saved was no transcript."""
    told = Transcript(text="good", duration_ms=5, raw=b'{"audio_info":{"duration":5},"result":{"text":"good"}}')
    assert read_transcript(b"\xef\xbb\xbf" + told.to_json().encode()) == told


# ---- recordings ----


def test_a_name_that_looks_like_a_link() -> None:
    """It was a ValueError."""
    assert probe(AudioBytes(data=b"\0\1", name="a://[b.wav")).container == "wav"


# ---- lists ----


def lines(text: bytes) -> tuple[int, int, int | None]:
    """Read a list: how many recordings, how many bad lines, how many were counted before."""
    path = scratch() / "found.txt"
    path.write_bytes(text)
    bad: list[BadLine] = []
    listing = Listing(str(path), Defaults(Options(), AudioFlags(), _edition), bad.append)
    found = list(listing.items())  # type: ignore[arg-type]  # a file is read without waiting
    count = listing.count()
    listing.close()
    return len(found), len(bad), count


def _edition(name: str) -> Edition:
    return as_edition(name, cluster="volc_auc_common")


@pytest.mark.parametrize(
    "comment", [b"\xef\xbb\xbf# a list", "\u3000".encode(), "# 列表".encode("gbk"), b"#" * 70_000, b"\x1c"]
)
def test_what_is_no_line_is_not_counted(comment: bytes) -> None:
    """The progress never reached its end, and a comment in another charset was a recording that failed."""
    assert lines(comment + b"\nhttps://example.com/a.mp3\n") == (1, 0, 1)


def test_an_empty_key_is_none() -> None:
    """Lines with an empty key were one recording to the journal: all but the first were left out, without a word."""
    path = scratch() / "found.txt"
    path.write_bytes(b"".join(b'{"source":"https://example.com/%d","key":"","uid":"u"}\n' % n for n in range(3)))
    listing = Listing(str(path), Defaults(Options(), AudioFlags(), _edition), lambda _: None)
    names = {as_job(item).name for item in listing.items()}  # type: ignore[union-attr]  # a file is read without waiting
    listing.close()
    assert names == {f"https://example.com/{n}" for n in range(3)}


@pytest.mark.parametrize("line", [b"example.com/" + b"a" * 6000, b'{"source":"example.com/' + b"a" * 6000 + b'"}'])
def test_a_link_without_its_scheme_that_is_too_long_for_a_path(line: bytes) -> None:
    """It ended the batch with an OSError."""
    assert lines(line + b"\nhttps://example.com/a.mp3\n") == (1, 1, 2)


def test_a_job_with_an_empty_key() -> None:
    """All such jobs were one recording to the journal, and all but the first were left out."""
    with pytest.raises(InputError, match="leave it out"):
        Job("https://example.com/a", key="")


# ---- messages and credentials ----


@pytest.mark.parametrize("text", ["://a" * 16_000, "http:/a" * 9_000, "://@" * 16_000])
def test_a_text_full_of_links(text: str) -> None:
    """A bad line of 64 KB held the process for many seconds: the query was looked for from each link to the end."""
    began = time.process_time()
    assert without_queries(f"{text} https://a/b?c d") == f"{text.replace('@', '')} https://a/b?... d"
    assert time.process_time() - began < 1


@pytest.mark.parametrize("text", ["a=" + "[" * 5000, 'api_key = "x"\n["PLANTED"]\n["PLANTED"]\n', "api_key.PLANTED=\n"])
def test_credentials_that_are_no_toml(tmp_path: Path, text: str) -> None:
    """Nesting was a RecursionError, and the name of a table, perhaps a pasted key, was shown."""
    path = tmp_path / "credentials.toml"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(CommandError, match="is no TOML") as caught:
        read_credentials(path)
    assert "PLANTED" not in str(caught.value)


# ---- journals ----


def changed(statement: str) -> bytes:
    """Give a journal after somebody has changed it by hand."""
    path = scratch() / "changed.db"
    path.write_bytes(_JOURNAL)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA ignore_check_constraints = 1")
        database.execute("PRAGMA writable_schema = 1")
        database.execute(statement)
    database.close()
    return path.read_bytes()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET attempt = 'many' WHERE key = 'failed'",
        "UPDATE job SET state = 'gone' WHERE key = 'failed'",
        "UPDATE job SET key = x'00ff' WHERE key = 'failed'",
        "UPDATE job SET error = x'00ff', error_class = x'00' WHERE key = 'failed'",
        "UPDATE job SET audio_ms = 'long', planned_at = 'once' WHERE key = 'done'",
        "UPDATE job SET request_id = x'00ff' WHERE key = 'accepted'",
        "UPDATE transcript SET raw = '{}', log_id = x'00ff'",
        "UPDATE transcript SET raw = 5",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE meta (name PRIMARY KEY, value) WITHOUT ROWID' WHERE name = 'meta'",
        "UPDATE meta SET value = x'00ff'",
    ],
)
def test_rows_of_wrong_types(statement: str) -> None:
    """They were TypeErrors and AttributeErrors, in the batch and in `volcasr status`."""
    run_journal(changed(statement))


@anyio
async def test_an_id_that_is_no_text(tmp_path: Path) -> None:
    """It was an AttributeError."""
    path = tmp_path / "run.db"
    path.write_bytes(changed("UPDATE sqlite_master SET sql = replace(sql, 'value TEXT', 'value') WHERE name = 'meta'"))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE meta SET value = 5")
    database.close()
    with pytest.raises(JournalError, match="no journal, or a broken one"):
        await SqliteJournal.open(path)


@anyio
async def test_a_transcript_that_was_mended_by_hand(tmp_path: Path) -> None:
    """Text instead of a blob, as the shell of SQLite writes it, is as good."""
    path = tmp_path / "run.db"
    path.write_bytes(changed("UPDATE transcript SET raw = '{\"x\":2}'"))
    journal = await SqliteJournal.open(path)
    assert await journal.transcript("done") == (b'{"x":2}', "log", False)
    await journal.aclose()


@anyio
async def test_a_record_that_claims_more_than_there_is(tmp_path: Path) -> None:
    """SQLite may ask for 4 GB then, which was a MemoryError."""
    path = tmp_path / "run.db"
    record = int.from_bytes(_JOURNAL[108:110], "big")  # the first record of the first page
    path.write_bytes(_JOURNAL[:record] + b"\xff" * 13 + _JOURNAL[record + 13 :])
    with pytest.raises(JournalError):
        await SqliteJournal.open(path)
    with pytest.raises(JournalError):
        read_report(path, 3)


@anyio
async def test_a_path_that_sqlite_cannot_take(tmp_path: Path) -> None:
    """What SQLite says while it opens a file was its own error; it takes shorter paths than the system."""
    path = tmp_path.joinpath(*["x" * 100] * 10) / "run.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(_JOURNAL)
    with pytest.raises(JournalError):
        read_report(path, 3)
    with pytest.raises(JournalError):
        await SqliteJournal.open(path)


# ---- inputs as the fuzzer wrote them ----


@pytest.mark.parametrize(("run", "data"), [(run_reply, b""), (run_list, b"")])
def test_nothing_at_all(run: Callable[[bytes], object], data: bytes) -> None:
    """An empty input is one too."""
    run(data)
