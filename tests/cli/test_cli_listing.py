"""The list of a batch, and what its lines stand for."""

import subprocess
import sys
from pathlib import Path

import pytest
from cli_calls import ROOT

from volcasr_async import AudioFile, AudioUrl, Corpus, Idle, InputError, Job, Options
from volcasr_async.cli.console import CommandError
from volcasr_async.cli.failures import listed
from volcasr_async.cli.listing import BadLine, Defaults, Item, Listing, item_of
from volcasr_async.cli.options import AudioFlags, JobFlags
from volcasr_async.cli.output import stable_name
from volcasr_async.job import as_edition
from volcasr_async.testing import make_wav

PLAIN = Defaults(Options(), AudioFlags(), lambda name: as_edition(name, cluster=None))
LINK = "https://h.example/a.mp3"


def read(path: Path, defaults: Defaults = PLAIN) -> tuple[list[Item], list[BadLine]]:
    bad: list[BadLine] = []
    listing = Listing(str(path), defaults, bad.append)
    items = list(listing.items())  # type: ignore[arg-type]
    listing.close()
    return items, bad


def test_text(tmp_path: Path) -> None:
    """Links and paths, a line each; blank lines, comments, BOM and CRLF are no matter."""
    path = tmp_path / "list"
    path.write_bytes(f"\ufeff{LINK}\r\n\r\n  # no\r\n  录音/一 二.wav \r\n{LINK}?sig=x".encode())
    items, bad = read(path)
    assert items == [LINK, AudioFile(path=Path("录音/一 二.wav")), LINK + "?sig=x"]
    assert bad == []


def test_count_is_that_of_the_recordings(tmp_path: Path) -> None:
    """What is counted beforehand is what will be read."""
    path = tmp_path / "list"
    path.write_bytes(f"# a\n\n{LINK}\n  # b\n \n{LINK}2".encode())
    listing = Listing(str(path), PLAIN, list[BadLine]().append)
    assert listing.count() == len(list(listing.items())) == 2  # type: ignore[arg-type]
    listing.close()


def test_bad_lines_end_nothing(tmp_path: Path) -> None:
    """Each bad line is told with its number and its cure, without what may be secret; the others are read."""
    path = tmp_path / "list"
    lines = [b"ftp://h.example/a?sig=hidden", b"\xff\xfe", b"{", b'{"source": 5}', b'{"sorce": "a.wav"}', b"{}"]
    lines += [b'{"source": "a.wav", "options": {"enable_pnc": true}}', b'{"source": "a.wav", "edition": "express"}']
    lines += [b"example.com/talk.mp3", b'{"source": "a.wav", "rate": 0}', b"x" * 70_000, b"a\0b"]
    lines += [
        b'{"source": "a.wav", "options": {"enable_punc": 3}}',
        b'{"source": "a.wav", "options": {"corpus": {"x": 1}}}',
    ]
    path.write_bytes(b"\n".join([*lines, b"good.wav"]))
    items, bad = read(path)
    assert items == [AudioFile(path=Path("good.wav"))]
    assert [one.line.line for one in bad] == list(range(1, len(lines) + 1))
    said = ["links only", "UTF-8", "no JSON object", "Expected `str", "`sorce`", "there is no source", "'enable_pnc' is no field"]  # fmt: skip
    said += [
        "no edition 'express'",
        "a link begins with https://",
        "above 0",
        "longer than",
        "no NUL",
        "wrong type",
        "'x' is no field",
    ]
    for text, one in zip(said, bad, strict=True):
        assert text in str(one.error)
    assert "hidden" not in repr(bad)


def test_missing_cluster_ends_the_list_once(tmp_path: Path) -> None:
    """Lines for v1 without a cluster would all fail alike: the first of them says so, with the shell's cure."""
    path = tmp_path / "list"
    path.write_text('a.wav\n{"source": "b.wav", "edition": "v1"}\n{"source": "c.wav", "edition": "v1"}\n')
    listing = Listing(str(path), PLAIN, list[BadLine]().append)
    with pytest.raises(CommandError, match=r"line 2 .* give --cluster or set VOLCASR_CLUSTER"):
        list(listing.items())  # type: ignore[arg-type]
    listing.close()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (make_wav(1.0), r"is a recording \(wav\)"),
        (b"ID3\x04\0\0\0\0" + bytes(range(256)) * 20, r"is a recording \(mp3\)"),
        (bytes([0, 1, 2, 255]) * 2000, "is no text"),
        ("https://h.example/a.mp3\n".encode("utf-16"), "is UTF-16"),
    ],
)
def test_what_is_no_list_is_refused_once(tmp_path: Path, head: bytes, said: str) -> None:
    """A recording or another binary file where the list should be is one clear error, not thousands of bad lines."""
    path = tmp_path / "talk"
    path.write_bytes(head)
    with pytest.raises(CommandError, match=said):
        Listing(str(path), PLAIN, list[BadLine]().append)


@pytest.mark.parametrize("text", ["ID3 of May.wav\n", "RIFFxxxxWAVE.wav\n", "\ufefffLaC.flac\n", "录音/\x07bell.wav\n"])
def test_odd_names_are_a_list(tmp_path: Path, text: str) -> None:
    """Names that look like the first bytes of a recording are names."""
    path = tmp_path / "list"
    path.write_text(text, "utf-8")
    items, bad = read(path)
    assert len(items) == 1
    assert bad == []


def test_a_directory_with_a_dot_is_no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that looks like a host is a path when the file is there, and so is one that looks like none."""
    monkeypatch.chdir(tmp_path)
    file = Path("talks.example/a.wav")
    file.parent.mkdir()
    file.touch()
    assert item_of(str(file), PLAIN) == AudioFile(path=file)
    assert item_of("./talks.example/b.wav", PLAIN) == AudioFile(path=Path("talks.example/b.wav"))
    with pytest.raises(InputError, match="a link begins with https://"):
        item_of("talks.example/b.wav", PLAIN)


def test_flags_of_the_job_are_for_each_line() -> None:
    """What the flags say of callback and user every line gets, unless it says otherwise itself."""
    flags = JobFlags(callback="https://h.example/done", uid="u")
    defaults = Defaults(Options(), AudioFlags(), lambda name: as_edition(name, cluster=None), flags)
    plain, own = item_of(LINK, defaults), item_of(f'{{"source": "{LINK}", "uid": "v"}}', defaults)
    assert isinstance(plain, Job)
    assert isinstance(own, Job)
    assert (plain.callback, plain.uid) == ("https://h.example/done", "u")
    assert (own.callback, own.uid) == ("https://h.example/done", "v")
    assert listed(plain, Options(), flags) == listed(Job(LINK), Options())


def test_long_line_without_end_is_not_kept(tmp_path: Path) -> None:
    """A file without line ends is one bad line."""
    path = tmp_path / "list"
    path.write_bytes(b"x" * 3_000_000)
    items, bad = read(path)
    assert items == []
    assert len(bad) == 1


def test_json_line() -> None:
    """An object says for itself what the flags say for all."""
    text = (
        '{"source": "https://h.example/a.mp3", "key": "one", "edition": "idle", "format": "mp3", "language": "en-US",'
        ' "options": {"enable_punc": false, "corpus": {"hotwords": ["a"]}}, "callback": "https://h.example/c", "uid": "u"}'
    )
    job = item_of(text, Defaults(Options(enable_ddc=True), AudioFlags(rate=16000, language="zh-CN"), PLAIN.edition))
    assert isinstance(job, Job)
    assert job.source == AudioUrl(url=LINK, format="mp3", rate=16000, language="en-US")
    assert job.options == Options(enable_ddc=True, enable_punc=False, corpus=Corpus(hotwords=("a",)))
    assert (job.key, job.edition, job.callback, job.uid) == ("one", Idle(), "https://h.example/c", "u")


def test_bare_object_is_a_bare_link() -> None:
    """An object with nothing but a source is what the line of text would be."""
    assert item_of(f'{{"source": "{LINK}"}}', PLAIN) == LINK
    assert item_of('{"source": "a.wav"}', PLAIN) == AudioFile(path=Path("a.wav"))


def test_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    """A list that comes through a pipe is not waited for to its end."""
    program = (
        "import anyio\nfrom volcasr_async import Options\nfrom volcasr_async.cli.listing import *\n"
        "async def main():\n"
        "    async for item in Listing('-', Defaults(Options(), AudioFlags(), None), print).items():\n"
        "        print(item, flush=True)\n"
        "anyio.run(main)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(f"{LINK}{number}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{LINK}{number}\n"
        process.stdin.write("https://h.example/last")
        process.stdin.close()
        assert process.stdout.read() == "https://h.example/last\n"


def test_missing_list() -> None:
    """A list that is not there is refused at once."""
    with pytest.raises(CommandError, match=r"nosuch\.txt cannot be read: No such file"):
        Listing("nosuch.txt", PLAIN, print)


@pytest.mark.parametrize(
    "job",
    [
        Job(LINK),
        Job(AudioUrl(url=LINK, format="mp3", language="en-US"), key="k", uid="u"),
        Job(Path("a b.wav"), edition="idle", options=Options(enable_punc=False, corpus=Corpus(hotwords=("x",)))),
        Job(LINK, options=Options(extra={"new": [1]}, sensitive_words_filter={"system_reserved_filter": True})),
    ],
)
def test_failed_job_comes_back_as_it_was(job: Job) -> None:
    """A line of a failures file stands for the same recording, asked for in the same way."""
    import msgspec

    text = msgspec.json.encode(listed(job, Options())).decode()
    again = item_of(text, PLAIN)
    again = again if isinstance(again, Job) else Job(again)
    assert (again.source, again.name, again.options, again.uid) == (job.source, job.name, job.options, job.uid)
    assert again.edition == (Idle() if job.edition else None)


@pytest.mark.parametrize(
    "job",
    [
        Job(LINK + "?sig=hidden"),
        Job("https://hidden@h.example/a.mp3"),
        Job(LINK, callback="https://h.example/c?hidden"),
        Job(LINK, key=LINK + "?sig=hidden"),
    ],
)
def test_secret_is_not_kept(job: Job) -> None:
    """Of a job with a credential in a link, the failures file has the key; feeding it tells where to take the link from."""
    import msgspec

    text = msgspec.json.encode(listed(job, Options())).decode()
    assert "hidden" not in text
    with pytest.raises(InputError, match="the original list again"):
        item_of(text, PLAIN)


def test_names_are_stable_safe_and_different() -> None:
    """A name depends on the key alone, and two keys never share one, whatever the file system thinks of capitals."""
    keys = [
        LINK,
        LINK.upper(),
        "https://x.example/a.mp3",
        "a.mp3",
        "../../etc/passwd",
        "con",
        "",
        "录音/一.wav",
        "x" * 999,
    ]
    names = [stable_name(key, "txt") for key in keys]
    assert names == [stable_name(key, "txt") for key in keys]
    assert len({name.casefold() for name in names}) == len(keys)
    assert all("/" not in name and len(name.encode()) <= 255 and not name.startswith(".") for name in names)
    assert names[0].startswith("a-")
    assert names[7].startswith("一-")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_that_is_named_like_a_comment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """`ls > list` writes it like any other; a line that begins so and names no file is a comment."""
    monkeypatch.chdir(tmp_path)
    for name in ("#1.wav", "# 会议, Anna.wav"):
        Path(name).touch()
    path = tmp_path / "list"
    path.write_text(end.join(["# 会议, Anna.wav", "# a comment", "#1.wav", "#2.wav", "b.wav", ""]), "utf-8", newline="")
    items, bad = read(path)
    assert items == [AudioFile(path=Path(name)) for name in ("# 会议, Anna.wav", "#1.wav", "b.wav")]
    assert bad == []
    listing = Listing(str(path), PLAIN, bad.append)
    assert listing.count() == 3
    listing.close()
