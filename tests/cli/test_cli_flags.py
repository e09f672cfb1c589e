"""Flags are made from the library's structs, and the page about them is whole."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from cli_calls import ROOT, Caller, Port, ended, started

from volcasr_async import AudioFile, AudioUrl, Corpus, Job, Options
from volcasr_async.cli.app import COMMANDS, app
from volcasr_async.cli.connection import Connection
from volcasr_async.cli.examples import EXAMPLES
from volcasr_async.cli.formats import LAYOUT, LayoutFlags
from volcasr_async.cli.options import AUDIO, JOB, AudioFlags, JobFlags
from volcasr_async.cli.recognition import RECOGNITION
from volcasr_async.cli.simulate import FAULT_FIELDS
from volcasr_async.errors import InputError
from volcasr_async.options import SensitiveWords, check_options
from volcasr_async.subtitles import FORMATS, Layout
from volcasr_async.testing import KINDS, Fault, Simulator

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
NAMES = [command.__name__ for command in COMMANDS]


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


# ---- the page ----


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
    assert headings == NAMES


def test_every_format_is_on_the_page_and_in_the_help(volcasr: Caller) -> None:
    """Each format stands with its suffix in the page's table, and is named where --format is explained."""
    page, text = PAGE.read_text("utf-8"), volcasr("convert", "--help").out
    for name, one in FORMATS.items():
        assert re.search(rf"(?m)^\| `{name}` \| .*{re.escape(one.about)}.* \| `\.{one.suffix}` \|$", page), name
        assert re.search(rf"\b{name}\b", text)


# ---- nothing is forgotten ----


def test_every_option_has_a_flag() -> None:
    """No field of `Options`, of its corpus or of its sensitive words can be forgotten."""
    given = {parameter.name for parameter in RECOGNITION.parameters}
    fields = {*Options.__struct_fields__, *Corpus.__struct_fields__, *SensitiveWords.__struct_fields__}
    assert given == fields - {"hotwords"} | {"hotword"}


def test_every_audio_field_has_a_flag() -> None:
    """Neither can what a link and a file say about their audio."""
    shared = set(AudioUrl.__struct_fields__) & set(AudioFile.__struct_fields__)
    assert AudioFlags().fields.keys() == shared
    assert len(AUDIO.parameters) == len(shared)


def test_every_field_of_a_job_has_a_flag() -> None:
    """Nor what goes with a recording: the rest of a job is the command's other flags, or made for it."""
    elsewhere = {"source", "edition", "options", "key", "request_id"}
    assert {parameter.name for parameter in JOB.parameters} == set(Job.__struct_fields__) - elsewhere


def test_every_field_of_a_layout_has_a_flag() -> None:
    """Nor how subtitles are cut."""
    assert {p.name for p in LAYOUT.parameters} - {"label_language", "bom"} == {
        name.removesuffix("_s") for name in Layout.__struct_fields__
    }


def test_every_field_of_a_fault_is_explained() -> None:
    """The help of `simulate` knows every field that a fault takes; the first three have signs of their own."""
    assert FAULT_FIELDS.keys() == set(Fault.__slots__) - {"kind", "share", "on"}


def test_help_tells_what_v1_takes_of_the_corpus() -> None:
    """What the help says about editions is what the library refuses."""
    for parameter in RECOGNITION.parameters:
        name = "hotwords" if parameter.name == "hotword" else parameter.name
        if name not in Corpus.__struct_fields__:
            continue
        try:
            given: dict[str, Any] = {name: ["a"] if name == "hotwords" else "a"}
            check_options(Options(corpus=Corpus(**given)), "v1")
            refused = False
        except InputError:
            refused = True
        assert ("not v1" in parameter.annotation.__metadata__[0].help) == refused, name


# ---- flags become values ----


def _built(**given: Any) -> Options:
    unset = {parameter.name: None for parameter in RECOGNITION.parameters}
    built: Options = RECOGNITION.build(unset | given)
    return built


def test_what_was_not_said_keeps_its_default() -> None:
    """Without any flag the options, the job and the layout are the library's own."""
    assert _built() == Options()
    assert JobFlags().fields == {}
    assert LayoutFlags().writing(None).format == "txt"


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


def test_every_field_of_corpus_and_sensitive_words_arrives() -> None:
    """Each flag fills the field of its name, and nothing else."""
    for kind, field in ((Corpus, "corpus"), (SensitiveWords, "sensitive_words_filter")):
        for name in kind.__struct_fields__:
            flag = "hotword" if name == "hotwords" else name
            [parameter] = [p for p in RECOGNITION.parameters if p.name == flag]
            kind_of_flag = parameter.annotation.__origin__
            value: Any = ["x"] if kind_of_flag == list[str] | None else kind_of_flag == bool | None or "x"
            if name == "context":
                assert _built(context='{"a": 1}') == Options(corpus=Corpus(context={"a": 1}))
            else:
                meant: dict[str, Any] = {field: kind(**{name: value})}
                assert _built(**{flag: value}) == Options(**meant), name


def test_flags_go_over_the_object() -> None:
    """What is said twice is what the flag says; words are added up."""
    built = _built(corpus='{"boosting_table_id": "1", "correct_table_id": "2"}', boosting_table_id="3")
    assert built.corpus == Corpus(boosting_table_id="3", correct_table_id="2")
    words = _built(sensitive_words_filter='{"filter_with_empty": ["a"]}', filter_with_empty=["b"])
    assert words.sensitive_words_filter == {"filter_with_empty": ["a", "b"]}


def test_contradictions_are_the_librarys_to_refuse() -> None:
    """Flags that do not go together are refused as the same options would be."""
    with pytest.raises(InputError, match="enable_auto_lang"):
        _built(enable_auto_lang=True, hotword=["a"])


def test_no_flag_takes_a_secret() -> None:
    """Secrets never come on the command line, where every process can see them."""
    columns = {"--key-column"}  # the name of a column
    assert not {flag for _, flag in _flags() if re.search("key|token|secret|password", flag)} - columns
    assert "credentials" in Connection.__struct_fields__


def test_flags_reach_the_wire(volcasr: Caller, service: Simulator, wav: Path) -> None:
    """A flag changes what the service does: without punctuation the made-up sentence has no full stop."""
    assert volcasr("transcribe", "--no-enable-punc", wav).out == "这是模拟器编造的文字\n"
    assert volcasr("transcribe", "--language", "en-US", wav).out.startswith("This text was made up")


def test_the_engine_is_the_one_that_was_asked_for(port: Port, wav: Path) -> None:
    """`--engine httpx` works without aiohttp: the process never imports it."""
    environ = {"VOLCASR_BASE_URL": port.url, "VOLCASR_API_KEY": "k", "PYTHONPROFILEIMPORTTIME": "1"}
    end = ended(started("transcribe", "--engine", "httpx", wav, **environ))
    loaded = {line.rpartition("|")[2].strip() for line in end.err.splitlines()}
    assert end.status == 0
    assert "httpx" in loaded
    assert "aiohttp" not in loaded


# ---- help ----


@pytest.mark.parametrize("command", NAMES)
def test_help_is_complete(volcasr: Caller, command: str) -> None:
    """`--help` of each command shows all of its flags, uncut, within 80 columns, and examples."""
    end = volcasr(command, "--help")
    assert end.status == 0
    assert all(flag in end.out for name, flag in _flags() if name == command)
    assert "…" not in end.out
    assert not re.search("<str>|<int>|<float>|TEXT \\[", end.out)
    assert max(map(len, end.out.split("\nExamples:\n")[0].splitlines())) <= 80
    assert "\nExamples:\n" in end.out


def test_help_of_the_simulator_names_every_fault(volcasr: Caller) -> None:
    """What can go wrong, and the fields of it, stand in the help."""
    text = volcasr("simulate", "--help").out
    assert all(f"  {kind} " in text for kind in KINDS)
    assert all(f",{name}=" in text for name in FAULT_FIELDS)


EXAMPLE_LINES = [line for name in NAMES for _, line in EXAMPLES[name]]


def test_every_command_has_examples() -> None:
    """No command without, and none for a command that there is not."""
    assert EXAMPLES.keys() == set(NAMES)


@pytest.mark.parametrize("line", EXAMPLE_LINES)
def test_examples_parse(line: str) -> None:
    """An example's flags and values are those of its command, and most lines fit a terminal."""
    group: Any = typer.main.get_command(app)
    words = re.split(
        r"\s(?:>|\|)\s", line.rpartition("volcasr ")[2] if "| volcasr" in line else line.removeprefix("volcasr ")
    )[0]
    name, *rest = shlex.split(words)
    command = group.commands[name]
    with command.make_context(name, rest) as context:
        assert context.params is not None
    assert len(line) <= 100


# ---- completion ----


def _completed(*words: str) -> list[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "_VOLCASR_COMPLETE": "complete_bash"}
    environ |= {"COMP_WORDS": " ".join(["volcasr", *words]), "COMP_CWORD": str(len(words))}
    run = subprocess.run(
        [sys.executable, "-m", "volcasr_async"], env=environ, capture_output=True, text=True, check=False, timeout=20
    )
    return run.stdout.split()


@pytest.mark.parametrize(
    ("words", "some"),
    [
        (["tran"], ["transcribe"]),
        (["transcribe", "--edition", "i"], ["idle"]),
        (["batch", "--format", "j"], ["json"]),
        (["transcribe", "--ssd-version", ""], ["200", "300"]),
        (["transcribe", "--resource-id", "volc.seed"], ["volc.seedasr.auc"]),
        (["simulate", "--fault", "lost"], ["lost-answer"]),
        (["doctor", "--engine", ""], ["aiohttp", "httpx"]),
        (["convert", "--no-l"], ["--no-labels"]),
        (["wait", "--format", ""], ["srt", "speakers", "ass"]),
    ],
)
def test_the_shell_completes(words: list[str], some: list[str]) -> None:
    """Commands, flags and the values of flags are completed as bash asks for them."""
    assert set(some) <= set(_completed(*words))
