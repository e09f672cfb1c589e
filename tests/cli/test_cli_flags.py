"""Flags are made from the library's structs, and the page about them is whole."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from cli_calls import Caller

from volcasr_async import AudioFile, AudioUrl, Corpus, Options
from volcasr_async.cli.app import COMMANDS, app
from volcasr_async.cli.connection import Connection
from volcasr_async.cli.options import AUDIO, RECOGNITION, AudioFlags
from volcasr_async.errors import InputError
from volcasr_async.testing import Simulator

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def _flags() -> Iterator[tuple[str, str]]:
    group: Any = typer.main.get_command(app)
    for command in (group, *group.commands.values()):
        for parameter in command.params:
            if parameter.param_type_name == "option":
                for spelling in (*parameter.opts, *parameter.secondary_opts):
                    yield command.name, spelling


def _section(command: str) -> str:
    text = PAGE.read_text("utf-8")
    shared = text.partition("\n## ")[0] + "".join(re.findall(r"(?ms)^## Flags: .*?(?=^## |\Z)", text))
    return shared + "".join(re.findall(rf"(?ms)^## `{command}`.*?(?=^## |\Z)", text))


def test_every_flag_is_on_the_page() -> None:
    """docs/cli.md names each flag in the command's section, or in those that are shared."""
    missing = [
        (command, flag)
        for command, flag in _flags()
        if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", _section(command))
    ]
    assert missing == []


def test_every_command_is_on_the_page() -> None:
    """Each command has its section."""
    headings = re.findall(r"(?m)^## `(\w+)`", PAGE.read_text("utf-8"))
    assert headings == [command.__name__ for command in COMMANDS]


def test_every_option_has_a_flag() -> None:
    """No field of `Options` can be forgotten: `hotword` fills the corpus."""
    given = {parameter.name for parameter in RECOGNITION.parameters}
    assert given == {*Options.__struct_fields__, "hotword"}


def test_every_audio_field_has_a_flag() -> None:
    """Neither can what a link and a file say about their audio."""
    shared = set(AudioUrl.__struct_fields__) & set(AudioFile.__struct_fields__)
    assert AudioFlags().fields.keys() == shared
    assert len(AUDIO.parameters) == len(shared)


def _built(**given: Any) -> Options:
    unset = {parameter.name: None for parameter in RECOGNITION.parameters}
    built: Options = RECOGNITION.build(unset | given)
    return built


def test_what_was_not_said_keeps_its_default() -> None:
    """Without any flag the options are the library's own."""
    assert _built() == Options()


def test_flags_become_options(tmp_path: Path) -> None:
    """Each kind of flag arrives in its field."""
    path = tmp_path / "corpus.json"
    path.write_text('{"boosting_table_name": "t", "hotwords": ["a"]}')
    built = _built(
        enable_itn=False,
        end_window_size=800,
        ssd_version="200",
        corpus=str(path),
        hotword=["b", "c"],
        sensitive_words_filter='{"system_reserved_filter": true}',
        extra=['x="y"', "n=5"],
    )
    assert built == Options(
        enable_itn=False,
        end_window_size=800,
        ssd_version="200",
        corpus=Corpus(boosting_table_name="t", hotwords=("a", "b", "c")),
        sensitive_words_filter={"system_reserved_filter": True},
        extra={"x": "y", "n": 5},
    )


def test_contradictions_are_the_librarys_to_refuse() -> None:
    """Flags that do not go together are refused as the same options would be."""
    with pytest.raises(InputError, match="enable_auto_lang"):
        _built(enable_auto_lang=True, hotword=["a"])


def test_no_flag_takes_a_secret() -> None:
    """Secrets never come on the command line, where every process can see them."""
    assert not {flag for _, flag in _flags() if re.search("key|token|secret|password", flag)}
    assert "credentials" in Connection.__struct_fields__


def test_flags_reach_the_wire(volcasr: Caller, service: Simulator, wav: Path) -> None:
    """A flag changes what the service does: without punctuation the made-up sentence has no full stop."""
    assert volcasr("transcribe", "--no-enable-punc", wav).out == "这是模拟器编造的文字\n"
    assert volcasr("transcribe", "--language", "en-US", wav).out.startswith("This text was made up")


@pytest.mark.parametrize("command", [command.__name__ for command in COMMANDS])
def test_help_is_complete(volcasr: Caller, command: str) -> None:
    """`--help` of each command shows all of its flags, uncut."""
    end = volcasr(command, "--help")
    assert end.status == 0
    assert all(flag in end.out for name, flag in _flags() if name == command)
    assert "…" not in end.out
