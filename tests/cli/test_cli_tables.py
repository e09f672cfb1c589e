"""Lists that are tables: recognised, and read by a column; lists with commas in links and names stay lists."""

import csv
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_calls import ROOT, Caller
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import AudioFile, Job, Options
from volcasr_async.cli.console import CommandError
from volcasr_async.cli.listing import BadLine, Defaults, Item, Listing
from volcasr_async.cli.options import AudioFlags
from volcasr_async.cli.table_looks import row_separator
from volcasr_async.cli.tables import Columns, TableReader
from volcasr_async.job import as_edition
from volcasr_async.testing import Simulator

PLAIN = Defaults(Options(), AudioFlags(), lambda name: as_edition(name, cluster=None))
LINK = "https://h.example/a.mp3"


def read(
    folder: Path, content: str | bytes, column: str | None = None, key_column: str | None = None
) -> tuple[list[Item], list[BadLine]]:
    path = folder / "list.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    bad: list[BadLine] = []
    listing = Listing(str(path), PLAIN, bad.append, Columns(column=column, key_column=key_column))
    try:
        items = list(listing.items())  # type: ignore[arg-type]
        assert listing.count() == len(items) + len(bad)
    finally:
        listing.close()
    return items, bad


# ---- recognising ----


@pytest.mark.parametrize(
    ("content", "column"),
    [
        (f"{LINK},first\n", "1"),
        (f"{LINK},first\nhttps://h.example/b.mp3,second\n", "1"),
        (f"{LINK}?a=1&X-Tos-Signature=0f,first\n", "1"),
        ("https://h.example/1?Expires=1&Signature=SECRET%3D;first\n", "1"),
        (f"first;{LINK}\nsecond;{LINK}2\n", "2"),
        (f"1\t{LINK}\tAnna\n", "2"),
        (f'"{LINK}","first"\n', "1"),
        (f"id,url\n1,{LINK}\n", "url"),
        (f"编号,录音地址\r\n1,{LINK}\r\n", "'录音地址'"),
        (f"url\n{LINK}\n", "url"),
        (f"sep=;\nname;link\na;{LINK}\n", "link"),
        (f"\ufefffile name;comment\n{LINK};x\n", "'file name'"),
        ("a.wav,first\nb.wav,second\n", "1"),
        (f"# a comment\n\n{LINK}|x\n", "1"),
        (f"{LINK}?sig=SECRET,a title\n{LINK}?sig=SECRET,another title\n", "1"),
    ],
)
def test_a_table_is_refused_with_the_column_to_name(tmp_path: Path, content: str, column: str) -> None:
    """The whole row is never taken for a link; the message has the flag to add."""
    with pytest.raises(CommandError, match="is a table") as caught:
        read(tmp_path, content)
    assert f"--column {column}" in caught.value.cure
    assert "SECRET" not in caught.value.cure
    items, bad = read(tmp_path, content, column.strip("'"))
    assert items
    assert not bad


@pytest.mark.parametrize(
    "line",
    ["https://h.example/a,b.mp3", "https://h.example/x.mp3?sizes=1,2", "https://h.example/a;v=2/x.mp3", "Smith, John.wav",
     "https://h.example/x.mp3;jsessionid=5", "https://h.example/x.mp3,y.mp3", "a;b|c.mp3", "录音, 第二部分.wav",
     "https://h.example/crop(1,2)/x.wav?a=b;c=d", "https://h.example/download?id=1,2,3", "nosuch, file", 'the "best", of.mp3',
     "https://h.example/f_mp3,https://x.example/a.mp3", "https://h.example/v1/w_100,h_20/a.mp3", "https://h.example/a?sign=x,y",
     "https://h.example/a?token=1700000000,0f0f0f0f0f0f0f0f0f0f", "https://h.example/a?x=1&sign=1700000000;0f"],
)  # fmt: skip
def test_commas_in_links_and_names_stay(tmp_path: Path, line: str) -> None:
    """What may be a link or the name of a file is one."""
    items, bad = read(tmp_path, f"{line}\n{line}\n")
    assert bad == []
    assert items == [line if "://" in line else AudioFile(path=Path(line))] * 2


def test_a_file_with_a_comma_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file decides: `a.wav,first` is a path where such a file is."""
    monkeypatch.chdir(tmp_path)
    Path("a.wav,first").touch()
    assert row_separator("a.wav,first") is None
    assert row_separator("b.wav,first") == ","


@pytest.mark.parametrize("name", ['"Hi", he said.mp3', '"a", "b".wav', "a\tb.wav", "x, https:", '"Hi";b.mp3'])
def test_files_that_are_named_like_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also with a quote or a tab; such a name is a row where no file has it."""
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    assert read(tmp_path, f"{name}\n{name}\n") == ([AudioFile(path=Path(name))] * 2, [])


def test_a_signed_link_with_a_title_is_a_row() -> None:
    """A complete signature ends where the separator is."""
    assert row_separator("https://h.example/a?sign=d41d8cd98f00b204e9800998ecf8427e,title") == ","


def test_a_row_in_a_list_is_one_bad_line(tmp_path: Path) -> None:
    """The others go on; nothing of the row's link is sent, and a JSON line takes any link."""
    items, bad = read(tmp_path, f'{LINK}\n{LINK}?s=SECRET,my title\n{{"source": "{LINK},x"}}\n')
    assert items == [LINK, f"{LINK},x"]
    assert [one.line.line for one in bad] == [2]
    assert "--column" in str(bad[0].error)
    assert "SECRET" not in repr(bad)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"PK\x03\x04\x14\0" + bytes(24) + b"xl/workbook.xml", "is an Excel workbook"),
        (b"PK\x05\x06\0\0", "is a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Office document in the format of 1997"),
        (b"\x1f\x8b\x08\0", "is a gzip archive"),
    ],
)
def test_a_workbook_is_refused(tmp_path: Path, head: bytes, said: str) -> None:
    """A spreadsheet's own file is no CSV."""
    with pytest.raises(CommandError, match=said) as caught:
        read(tmp_path, head + bytes(100), "url")
    assert "CSV UTF-8" in caught.value.cure


# ---- reading ----


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("before", ["", "\ufeff", "sep={}\n"])
def test_by_name_and_by_number(tmp_path: Path, separator: str, end: str, before: str) -> None:
    """With any separator, line end, byte order mark; the key is the link, as in a list of links."""
    link = "https://h.example/a,b;c|d.mp3"
    rows = [["id", "Audio URL", "title"], ["1", link, 'say "hi"\nagain'], ["2", "录音/二.wav", ""], ["", "", ""]]
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end).writerows(rows)
    content = before.format(separator) + out.getvalue()
    for column in ("audio url", "2"):
        assert read(tmp_path, content, column) == ([link, AudioFile(path=Path("录音/二.wav"))], [])
    items, _ = read(tmp_path, content, "2", "id")
    assert [item.name for item in items if isinstance(item, Job)] == ["1", "2"]


def test_without_a_header(tmp_path: Path) -> None:
    """A number needs none; a first row with a link is a row."""
    assert read(tmp_path, f"x,{LINK}\ny,{LINK}2\n", "2") == ([LINK, f"{LINK}2"], [])
    assert read(tmp_path, f"{LINK}\n", "1") == ([LINK], [])


@pytest.mark.parametrize(
    ("column", "said", "cure"),
    [("ulr", "has no column 'ulr'", "id, url; the closest is 'url'"), ("3", "has 2 columns, so there is no column 3", ""),
     ("0", "there is no column 0", "")],
)  # fmt: skip
def test_a_wrong_column_is_refused_before_anything(tmp_path: Path, column: str, said: str, cure: str) -> None:
    """With the columns that there are."""
    with pytest.raises(CommandError, match=said) as caught:
        read(tmp_path, f"id,url\n1,{LINK}\n", column)
    assert cure in caught.value.cure
    assert caught.value.status == 2


def test_bad_rows_end_nothing(tmp_path: Path) -> None:
    """Each has the number of its first line, also after cells of several lines."""
    content = (
        (
            f'url,note\n{LINK}1,"one\ntwo\nthree"\n,empty\n{LINK}2,a,b\nftp://h.example/x?SECRET,c\n{LINK}3\n{LINK}4,"" \n'
        ).encode()
        + f"{LINK}5,\n".encode()
        + "录音.wav,x\n".encode("gbk")
        + f"{LINK}6,".encode()
        + "录音".encode("gbk")
        + b"\n"
    )
    items, bad = read(tmp_path, content, "url")
    assert items == [f"{LINK}{number}" for number in (1, 3, 4, 5, 6)]
    said = {one.line.line: str(one.error) for one in bad}
    assert list(said) == [5, 6, 7, 11]
    assert "column 1 of this row is empty" in said[5]
    assert "has 3 cells, and the first row 2" in said[6]
    assert "links only" in said[7]
    assert "not UTF-8" in said[11]
    assert "SECRET" not in repr(bad)


@pytest.mark.parametrize(
    ("stray", "bad_lines"),
    [
        (f'{LINK}0,"open\n', [2]),
        (f'{LINK}0,"open\n{LINK}9,"x"\n', [2]),
        (f'{LINK}0,5" disk\n', []),
        (f'{LINK}0,"a" b\n', []),
    ],
)
def test_a_stray_quote_swallows_nothing(tmp_path: Path, stray: str, bad_lines: list[int]) -> None:
    """A quote that is opened and not closed spoils its own line only."""
    content = f"url,note\n{stray}{LINK}1,x\n{LINK}2,y\n"
    items, bad = read(tmp_path, content, "url")
    assert [one.line.line for one in bad] == bad_lines
    expected = [line.split(",")[0] for line in content.splitlines()[1:]]
    assert items == [link for number, link in enumerate(expected, 2) if number not in bad_lines]


def test_a_row_without_end_is_not_kept(tmp_path: Path) -> None:
    """Neither one line nor a quoted cell of many lines takes all memory, and the rows after it are read."""
    content = (
        f'url,note\n{LINK}0,"{"x" * 50}\n' + f"{LINK}1,{'y' * 80}\n" * 3000 + f"{LINK}2,{'z' * 200_000}\n{LINK}3,\n"
    )
    items, bad = read(tmp_path, content, "url")
    assert len(items) == 3001
    assert items[-1] == f"{LINK}3"
    assert [one.line.line for one in bad] == [2, 3003]


def test_time_is_linear(tmp_path: Path) -> None:
    """Ten times as many quotes take about ten times as long."""

    def seconds(count: int) -> float:
        content = "url,note\n" + f'{LINK},"a ""b"" c\n' * count
        began = time.process_time()
        read(tmp_path, content, "url")
        return time.process_time() - began

    seconds(100)
    assert seconds(20_000) < 40 * max(seconds(2_000), 0.005)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=6), st.sampled_from(",;\t|"), st.data())
def test_agrees_with_the_csv_module(rows: list[list[str]], separator: str, data: st.DataObject) -> None:
    """Whatever stands in the other cells, and wherever the lines are cut into chunks."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(["the link", "a", "b"])
    writer.writerows([[f"{LINK}{number}", *row] for number, row in enumerate(rows)])
    lines = out.getvalue().encode().split(b"\n")
    cut = data.draw(st.integers(1, len(lines)))
    reader = TableReader(Columns(column="the link"), "x")
    found = [*reader.feed(lines[:cut]), *reader.feed(lines[cut:]), *reader.end()]
    assert [row.source for row in found] == [f"{LINK}{number}" for number in range(len(rows))]


@pytest.mark.parametrize(
    ("first", "others", "column", "expected"),
    [
        ("id,url", [f"{n};x,{LINK}{n}" for n in range(4)], "url", [f"{LINK}{n}" for n in range(4)]),
        ("a;b,c;url", [f"1;2,3;{LINK}"] * 3, "url", [LINK] * 3),
        (f"x;{LINK},a,b", [f"y;{LINK}"], "2", [f"{LINK},a,b", LINK]),
        (f"{LINK};x,y,z", [f"{LINK}2;x"], "1", [LINK, f"{LINK}2"]),
        ("sep=|", [f"{LINK}|x,y,z"], "1", [LINK]),
        ("", [f"{LINK};first", f"{LINK}2;a,b"], "1", [LINK, f"{LINK}2"]),
    ],
)
def test_a_pipe_and_a_file_are_read_alike(first: str, others: list[str], column: str, expected: list[str]) -> None:
    """However many lines come at once; another separator would be another source, and perhaps paid twice."""
    lines = [line.encode() for line in ("\ufeff" + first, *others)]
    for size in (1, 2, 20):
        reader = TableReader(Columns(column=column), "x")
        rows = [row for at in range(0, len(lines), size) for row in reader.feed(lines[at : at + size])]
        assert [row.source for row in [*rows, *reader.end()]] == expected


def test_rows_with_another_separator_are_bad(tmp_path: Path) -> None:
    """Such a row as a whole is not taken for the link."""
    items, bad = read(tmp_path, f"{LINK},a\n{LINK}2;my title\n{LINK}3\n", "1")
    assert items == [LINK, f"{LINK}3"]
    assert [one.line.line for one in bad] == [2]
    assert "separated by ';'" in str(bad[0].error)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_end(data: bytes, size: int) -> None:
    """Each line is a row, part of one, or nothing; a wrong column is the only error."""
    lines = data.split(b"\n")
    reader = TableReader(Columns(column="1"), "x")
    try:
        rows = [row for at in range(0, len(lines), size) for row in reader.feed(lines[at : at + size])]
        rows += reader.end()
    except CommandError:
        return
    assert all(1 <= row.line <= len(lines) for row in rows)
    assert [row.line for row in rows] == sorted({row.line for row in rows})


def test_pipe_is_read_as_it_comes() -> None:
    """A table through a pipe is not waited for to its end."""
    program = (
        "import anyio\nfrom volcasr_async import Options\nfrom volcasr_async.cli.listing import *\n"
        "from volcasr_async.cli.tables import Columns\n"
        "async def main():\n"
        "    listing = Listing('-', Defaults(Options(), AudioFlags(), None), print, Columns(column='url'))\n"
        "    async for item in listing.items():\n"
        "        print(item, flush=True)\n"
        "anyio.run(main)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("id,url\n")
        for number in range(3):
            process.stdin.write(f'{number},"{LINK}{number}"\n')
            process.stdin.flush()
            assert process.stdout.readline() == f"{LINK}{number}\n"
        process.stdin.write(f"9,{LINK}9")
        process.stdin.close()
        assert process.stdout.read() == f"{LINK}9\n"


# ---- the command ----


def test_a_table_from_its_file_and_again(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """What is done is not sent again, with the same keys whatever the other columns say."""
    table, out = tmp_path / "talks.csv", tmp_path / "out"
    table.write_text(f"id;link\n1;{LINK}?x=1\n2;{LINK}?x=2\n", "utf-8")
    before = len(service.charges)
    assert volcasr("batch", table, "-o", out).status == 2
    end = volcasr("batch", table, "-o", out, "--column", "link")
    assert end.status == 0, end.err
    assert len(service.charges) - before == 2
    table.write_text(f"link\tnote\n{LINK}?x=1\ta\n{LINK}?x=2\tb\n{LINK}?x=3\tc\n", "utf-8")
    end = volcasr("batch", table, "-o", out, "--column", "1")
    assert end.status == 0, end.err
    assert "2 done before" in end.err
    assert len(service.charges) - before == 3


def test_key_column_needs_a_column(volcasr: Caller, service: Simulator, tmp_path: Path) -> None:
    """The keys of rows without a link say nothing."""
    table = tmp_path / "talks.csv"
    table.write_text("id,url\n", "utf-8")
    end = volcasr("batch", table, "-o", tmp_path / "out", "--key-column", "id")
    assert end.status == 2
    assert "--key-column needs --column" in end.err
    assert not (tmp_path / "out" / "volcasr-journal.db").exists()
