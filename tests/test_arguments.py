"""Arguments of a wrong type are rejected where they are passed, with what is expected; nothing is sent."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from io_kit import client

from volcasr_async import (
    ApiKey,
    AucV1,
    ConfigurationError,
    Flash,
    InputError,
    Job,
    Limits,
    Options,
    PollPolicy,
    RetryPolicy,
    Standard,
    VolcASR,
)
from volcasr_async.sqlite_journal import SqliteJournal
from volcasr_async.telemetry import Observer
from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio
LINK = "https://example.com/a.mp3"
KEY = "0f1e2d3c-key-of-nobody"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"edition": 5}, r"VolcASR\(edition\) takes an edition such as Standard\(\), or its name"),
        ({"edition": "standrad"}, "there is no edition 'standrad'. The closest is \"standard\""),
        ({"edition": "Flsh"}, 'The closest is "flash"'),
        ({"edition": ""}, "there is no edition ''"),
        ({"edition": Flash}, r"the class Flash itself: write Flash\(\.\.\.\)"),
        ({"options": {"enable_itn": True}}, r"takes an Options\(...\) or None, not dict"),
        ({"limits": 20}, r"VolcASR\(limits\) takes a Limits\(...\), not int"),
        ({"limits": Limits}, r"write Limits\(\.\.\.\)"),
        ({"limits": None}, "not NoneType"),
        ({"retry": 3}, r"VolcASR\(retry\) takes a RetryPolicy"),
        ({"poll": 2.5}, r"VolcASR\(poll\) takes a PollPolicy"),
        ({"http": httpx.Client()}, "httpx.AsyncClient"),
        ({"http": httpx.AsyncClient}, "the class AsyncClient itself"),
        ({"http": "requests"}, "there is no engine"),
        ({"http": 5}, "not int"),
        ({"observe": True}, r"VolcASR\(observe\) takes an Observer"),
        ({"observe": Observer}, "the class Observer itself"),
    ],
)
def test_a_client_rejects_arguments_of_a_wrong_type(arguments: Any, said: str) -> None:
    """Each names the argument, what it takes, and what it was given."""
    with pytest.raises(InputError, match=said):
        VolcASR(KEY, **arguments)


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        (5, "takes a key of the new console .* this is int"),
        (("app", "access"), r"AppKey\(app_key, access_key\).* this is tuple"),
        ({"api_key": KEY}, "this is dict"),
        (ApiKey, r"the class ApiKey itself: write ApiKey\(\.\.\.\)"),
        (b"key", "this is bytes"),
        ("https://openspeech.bytedance.com", "pass the address of the service as base_url="),
        ("", "empty"),
        ("key\nkey", "line ends"),
    ],
    ids=str,
)
def test_credentials_that_are_none_are_rejected_without_showing_them(credentials: Any, said: str) -> None:
    """An empty string is not replaced by the key of the environment."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        VolcASR(credentials)
    assert KEY not in str(caught.value)


def test_a_base_url_that_is_no_string_is_a_configuration_error() -> None:
    """A URL object of a library is not converted silently."""
    with pytest.raises(ConfigurationError, match=r"VolcASR\(base_url\) takes a string, not URL"):
        VolcASR(KEY, base_url=httpx.URL("https://example.com"))  # type: ignore[arg-type]  # on purpose


async def test_a_string_is_the_key_of_the_new_console() -> None:
    """It is sent as `x-api-key` and shown nowhere."""
    sent = []

    async def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["x-api-key"])
        return httpx.Response(200, headers={"X-Api-Status-Code": "45000010", "X-Api-Message": f"bad {KEY}"})

    async with VolcASR(KEY, http=httpx.MockTransport(answer)) as asr:
        with pytest.raises(Exception, match="45000010") as caught:
            await asr.transcribe(LINK)
        assert KEY not in repr(asr) + str(caught.value)
    assert sent == [KEY]


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (Job, {"source": LINK, "edition": "standrad"}, 'The closest is "standard"'),
        (Job, {"source": LINK, "edition": 5}, "edition takes an edition"),
        (Job, {"source": LINK, "edition": Standard}, "the class Standard itself"),
        (Job, {"source": LINK, "options": {}}, r"Job\(options\) takes an Options"),
        (Job, {"source": 5}, "int"),
        (RetryPolicy, {"pay_again": "no"}, r"RetryPolicy\(pay_again\) takes True or False, not str"),
        (RetryPolicy, {"resend_flash": 1}, "resend_flash"),
        (RetryPolicy, {"attempts": "3"}, "attempts='3'"),
        (PollPolicy, {"first": "2"}, "number of seconds"),
        (Limits, {"qps": "20"}, "qps='20'"),
        (Standard, {"inline_audio": "no"}, r"Standard\(inline_audio\) takes True or False"),
        (Standard, {"resource_id": 5}, "resource_id"),
        (AucV1, {"cluster": None}, "cluster"),
        (Options, {"enable_itn": "yes"}, "enable_itn"),
    ],
    ids=str,
)
def test_values_reject_fields_of_a_wrong_type(kind: Any, fields: Any, said: str) -> None:
    """When they are made, not when they are used."""
    with pytest.raises(InputError, match=said):
        kind(**fields)


@pytest.mark.parametrize("verb", ["transcribe", "submit"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"edition": "standrad"}, 'The closest is "standard"'),
        ({"edition": 5}, "edition takes"),
        ({"options": {"enable_itn": True}}, "options takes an Options"),
        ({"timeout": "5"}, "timeout takes a number of seconds, not str"),
        ({"timeout": True}, "timeout takes a number of seconds, not bool"),
        ({"timeout": -1}, "at least 0"),
        ({"timeout": float("nan")}, "nan"),
    ],
    ids=str,
)
async def test_a_call_rejects_arguments_of_a_wrong_type(verb: str, arguments: Any, said: str) -> None:
    """Before anything is sent."""
    simulator = Simulator()
    async with client(simulator) as asr:
        with pytest.raises(InputError, match=said):
            await getattr(asr, verb)(LINK, **arguments)
    assert not simulator.requests


@pytest.mark.parametrize("task", ["0b1c7f9e-id", None, 5, b"{}"], ids=repr)
async def test_what_is_no_task_cannot_be_waited_for(task: Any) -> None:
    """The id alone is not enough: the edition is needed."""
    async with client(Simulator()) as asr:
        for ask in (asr.wait, asr.query):
            with pytest.raises(InputError, match=r"Task\.from_json"):
                await ask(task)
        if not isinstance(task, str):
            with pytest.raises(InputError, match="takes a Task"):
                asr.hint(task)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"window": 0}, "window=0 must be a whole number"),
        ({"window": "5"}, "window='5'"),
        ({"window": 2.5}, r"window=2\.5"),
        ({"journal": 5}, "journal takes a path or a SqliteJournal, not int"),
        ({"journal": SqliteJournal}, "the class SqliteJournal itself"),
        ({"redo": "yes"}, "redo takes True or False, not str"),
        ({"replay": 1}, "replay takes True or False, not int"),
        ({"replay": True}, "replay=True needs a journal"),
        ({"replay": True, "redo": True, "journal": "run.db"}, "leave one out"),
    ],
    ids=str,
)
async def test_a_batch_rejects_arguments_of_a_wrong_type(arguments: Any, said: str) -> None:
    """When it is made, not when it is entered."""
    async with client(Simulator()) as asr:
        with pytest.raises(InputError, match=said):
            asr.batch([LINK], **arguments)


async def test_every_edition_is_accepted_by_its_name() -> None:
    """By the client, a call, a submit and a job."""
    simulator = Simulator()
    async with client(simulator, edition="idle") as asr:
        assert (await asr.submit(LINK)).edition.name == "idle"
        assert (await asr.submit(LINK, edition="standard")).edition.name == "standard"
        assert (await asr.submit(Job(LINK, edition="standard"))).edition.name == "standard"
        assert (await asr.transcribe(LINK, edition="flash")).text


def test_a_path_of_pathlib_is_no_list(tmp_path: Path) -> None:
    """A batch takes a list; a single recording goes to `transcribe`."""
    with pytest.raises(InputError, match="use transcribe"):
        VolcASR(KEY).batch(tmp_path)  # type: ignore[arg-type]  # on purpose
