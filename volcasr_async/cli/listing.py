"""The list of a batch: a line is a link, a path, or a JSON object; read lazily, however long it is."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from volcasr_async.cli.console import WRONG_USAGE, CommandError, explained
from volcasr_async.cli.links import is_link, lacks_scheme, shown_link
from volcasr_async.cli.looks import HEAD, refuse_what_is_no_list
from volcasr_async.cli.options import AudioFlags, JobFlags
from volcasr_async.cli.recognition import converted, only_known
from volcasr_async.cli.table_looks import is_comment, refuse_table, row_separator
from volcasr_async.cli.tables import Columns, Row, TableReader, count_rows
from volcasr_async.editions import Edition
from volcasr_async.errors import ConfigurationError, InputError, VolcASRError, without_queries
from volcasr_async.job import Job
from volcasr_async.options import Corpus, Options
from volcasr_async.sources import AudioFile, AudioUrl

Item = str | AudioUrl | AudioFile | Job

_LONGEST = 1 << 16
_AT_ONCE = 1 << 16
_NO_SOURCE = (
    "there is no source in this line: a failures file does not keep the query of a link. Run the original list again with "
    "the same journal: what is done is not sent again, what has failed is"
)


_A_ROW = (
    "this line is a row of a table (CSV), not a link or path. Name the column with the links or paths: --column NAME or "
    '--column NUMBER. If it is one link or path, write it as a JSON line: {"source": "..."}'
)
_NO_COLUMNS = Columns()


class Listed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A line of JSON: the source with what it says for itself. The last three are those of a failures file."""

    source: str | None = None
    key: str | None = None
    edition: str | None = None
    format: str | None = None
    codec: str | None = None
    rate: int | None = None
    bits: int | None = None
    channel: int | None = None
    language: str | None = None
    options: dict[str, Any] = {}
    callback: str | None = None
    callback_data: str | None = None
    uid: str | None = None
    line: int | None = None
    error: str | None = None
    message: str | None = None


_OWN = ("key", "edition", "options", "callback", "callback_data", "uid")
_LINKS = ("source", "key", "callback")
_decode = msgspec.json.Decoder(Listed).decode


class BadLine(Struct, frozen=True):
    """A line that stands for no recording, without what may be secret in it; the message names the cure."""

    line: Listed
    error: VolcASRError


class Defaults(Struct, frozen=True):
    """What a line gets that does not say."""

    options: Options
    audio: AudioFlags
    edition: Callable[[str], Edition]
    job: JobFlags = JobFlags()


def item_of(text: str, defaults: Defaults) -> Item:
    """Make the recording that a line stands for."""
    if not text.startswith("{"):
        if row_separator(text) is not None:
            raise InputError(_A_ROW)
        source = _plain(text, defaults.audio.fields)
        return defaults.job.job(source) if defaults.job.fields else source
    try:
        listed = _decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"this is no JSON object with a source: {error}") from None
    return _job(listed, defaults)


def _plain(text: str, audio: Mapping[str, Any]) -> str | AudioUrl | AudioFile:
    """Take a link for a link and anything else for a path; a bare link stays one, which is the fastest."""
    if not is_link(text):
        if "\0" in text:
            raise InputError("a path holds no NUL: this is no list of recordings")
        if lacks_scheme(text):
            raise InputError(f"{shown_link(text)} is no file here; a link begins with https://")
        return AudioFile(path=Path(text), **audio)
    link = AudioUrl(url=text, **audio)
    if link.is_cut:
        raise InputError("the query of this link has been left out: take the link from the original list")
    return link if any(value is not None for value in audio.values()) else link.url


def _job(listed: Listed, defaults: Defaults) -> Item:
    if not listed.source:
        raise InputError(_NO_SOURCE)
    said = {name: getattr(listed, name) for name in defaults.audio.fields}
    audio = defaults.audio.fields | {name: value for name, value in said.items() if value is not None}
    source = _plain(listed.source, audio)
    if not defaults.job.fields and not any(getattr(listed, name) for name in _OWN):
        return source
    return Job(
        source,
        edition=defaults.edition(listed.edition) if listed.edition else None,
        options=_options(listed.options, defaults.options) if listed.options else None,
        key=listed.key or None,  # an empty cell of a table is no name: all such lines would be one recording
        **{name: getattr(listed, name) or value for name, value in asdict(defaults.job).items()},
    )


def _options(given: dict[str, Any], usual: Options) -> Options:
    """Put what a line says over what the flags say."""
    only_known(given, Options)
    corpus = given.get("corpus")
    own: dict[str, Any] = given | {"corpus": converted(corpus, Corpus)} if isinstance(corpus, dict) else given
    Options(**own)  # refuses what has the wrong type
    return replace(usual, **own)


# ---- reading ----


class Listing:
    """The lines of LIST, a file or `-`; a bad one goes to *bad* and does not end the others.

    With *columns* the list is a table, and its rows are read.
    """

    def __init__(
        self, name: str, defaults: Defaults, bad: Callable[[BadLine], None], columns: Columns = _NO_COLUMNS
    ) -> None:
        if columns.key_column is not None and columns.column is None:
            raise CommandError(
                "--key-column needs --column", "Name the column with the links or paths too", status=WRONG_USAGE
            )
        self.name = name
        self._defaults, self._bad, self._columns = defaults, bad, columns
        self._number = 0
        self._table = TableReader(columns, name) if columns.column is not None else None
        self._file = _opened(name, columns)

    @property
    def usual_format(self) -> str | None:
        """The container that the flags give for each line."""
        return self._defaults.audio.audio_format

    def is_file(self, path: Path) -> bool:
        """Tell whether *path* is where the list is read from."""
        return self.name != "-" and path.exists() and path.samefile(self.name)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def remarks(self, *, is_empty: bool, directories: int) -> list[tuple[str, str]]:
        """Return what the summary says about the list, as pairs of a title and a text.

        *is_empty* tells that no item was read, *directories* how many directories were skipped.
        """
        if not (is_empty and directories):
            return []
        return [("  ", "to transcribe the recordings of a directory: volcasr batch DIR --recursive")]

    def count(self) -> int | None:
        """Count what is in a file; what comes through a pipe has no end yet."""
        if self.name == "-" or not _is_regular(self._file):
            return None
        with Path(self.name).open("rb") as file:
            if self._table is not None:
                return count_rows(file, self._columns, self.name)
            first = file.readline().removeprefix(codecs.BOM_UTF8)
            return (not _is_nothing(first)) + sum(not _is_nothing(line) for line in file)

    def items(self) -> Iterator[Item] | AsyncGenerator[Item, None]:
        """Bring one recording after the other; of a pipe without blocking anybody."""
        if os.name != "nt" and (stat.S_ISFIFO(_mode(self._file)) or self._file.isatty()):
            return self._piped()
        return self._read()

    def _read(self) -> Iterator[Item]:
        lines = _Splitter()
        while chunk := self._chunk():
            yield from self._items(lines.feed(chunk))
        yield from self._items(lines.end(), are_last=True)

    async def _piped(self) -> AsyncGenerator[Item, None]:
        import anyio

        lines, more = _Splitter(), True
        while more:
            await anyio.wait_readable(self._file.fileno())
            chunk = self._chunk()
            more = bool(chunk)
            for item in self._items(lines.feed(chunk) if more else lines.end(), are_last=not more):
                yield item

    def _chunk(self) -> bytes:
        try:
            chunk = self._file.read(_AT_ONCE) or b""
        except OSError as error:
            raise CommandError(f"the list {self.name} cannot be read further: {error.strerror or error}") from error
        if not self._number:
            _refuse(self.name, chunk[:HEAD], self._columns)
        return chunk

    def _items(self, lines: list[bytes], *, are_last: bool = False) -> Iterator[Item]:
        if self._table is not None:
            self._number += len(lines)
            for row in chain(self._table.feed(lines), self._table.end() if are_last else ()):
                item = self._item_of_row(row)
                if item is not None:
                    yield item
            return
        for raw in lines:
            self._number += 1
            item = self._item(raw.removeprefix(codecs.BOM_UTF8) if self._number == 1 else raw)
            if item is not None:
                yield item

    def _item_of_row(self, row: Row) -> Item | None:
        wrong = InputError(row.fault) if row.fault is not None else None
        try:
            if wrong is None:
                return _job(Listed(source=row.source, key=row.key), self._defaults)
        except InputError as error:
            wrong = error
        source, key = row.source and shown_link(row.source), row.key and shown_link(row.key)
        self._bad(BadLine(Listed(source=source, key=key, line=row.line), wrong))
        return None

    def _item(self, raw: bytes) -> Item | None:
        if _is_nothing(raw):
            return None
        text: str | None = None
        try:
            text = _text(raw)
            return item_of(text, self._defaults)
        except InputError as error:
            self._bad(BadLine(_kept(text, self._number), error))
            return None
        except ConfigurationError as error:  # every such line would fail alike
            message, cure = explained(error)
            raise CommandError(f"line {self._number} of the list: {message}", cure, status=WRONG_USAGE) from error


def _kept(text: str | None, number: int) -> Listed:
    """Keep what can be kept of a bad line; one of a failures file has the number of the original."""
    if text is None or not text.startswith("{"):
        return Listed(source=text and shown_link(text), line=number)
    try:
        found = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return Listed(line=number)
    secrets = {name: without_queries(value) for name in _LINKS if (value := getattr(found, name))}
    if found.source:
        secrets["source"] = shown_link(found.source)
    original = found.line if found.line or (found.error and not found.source) else number
    return replace(found, line=original, **secrets)


class _Splitter:
    """Cuts chunks into lines; of one that never ends it keeps the beginning only."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[: _LONGEST + 1]
        return lines

    def end(self) -> list[bytes]:
        return [self._rest] if self._rest else []


def _is_nothing(raw: bytes) -> bool:
    """Tell whether a line is blank or a comment, in whatever charset."""
    text = raw.decode("utf-8", "replace").strip()
    return not text or is_comment(text)


def _text(raw: bytes) -> str:
    if len(raw) > _LONGEST:
        raise InputError(f"this line is longer than {_LONGEST} bytes: the list wants one link or path a line")
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InputError("this line is no UTF-8: save the list as UTF-8") from None


def _refuse(name: str, head: bytes, columns: Columns) -> None:
    """Refuse what is not a list, and a table whose column was not named."""
    refuse_what_is_no_list(name, head)
    if columns.column is None:
        refuse_table(name, head)


def _opened(name: str, columns: Columns = _NO_COLUMNS) -> FileIO:
    """Open the list without a buffer: a pipe is read as far as it has come."""
    try:
        if name == "-":
            return FileIO(sys.stdin.fileno(), closefd=False)
        file = FileIO(name)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(f"the list {name} cannot be read: {why}", status=WRONG_USAGE) from error
    if _is_regular(file):
        try:
            _refuse(name, head := file.read(HEAD), columns)
            if columns.column is not None and (lines := head.split(b"\n")[:-1]):
                # A wrong column is reported before anything is begun.
                list(TableReader(columns, name).feed(lines))
        except CommandError:
            file.close()
            raise
        file.seek(0)
    return file


def _mode(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_mode


def _is_regular(file: FileIO) -> bool:
    return stat.S_ISREG(_mode(file))
