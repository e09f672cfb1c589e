"""The service repeats the key that it was sent: what it says is shown, the key is not."""

import traceback

import pytest
import respx

from volcasr_async import ApiKey, AuthenticationFailed, RetryPolicy, Standard, Task, VolcASR, VolcASRError

pytestmark = pytest.mark.anyio
KEY = "k3y-that-nobody-may-see"
TASK = Task(id="t", edition=Standard(), request_id="t", submitted_at=0.0)


@pytest.mark.parametrize("said", ["Invalid X-Api-Key {}", "{0} {0}"])
async def test_in_a_refusal(said: str, respx_mock: respx.MockRouter) -> None:
    """In the message, the arguments, the chain."""
    body = {"header": {"code": 45000010, "message": said.format(KEY)}}
    respx_mock.post(url__regex=".*").respond(401, json=body)
    async with VolcASR(ApiKey(KEY)) as asr:
        with pytest.raises(AuthenticationFailed) as caught:
            await asr.transcribe("https://h.example/a.mp3")
    assert caught.value.message == said.format("***")
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.args)


async def test_in_nonsense(respx_mock: respx.MockRouter) -> None:
    """In the excerpt of what is no reply."""
    respx_mock.post(url__regex=".*").respond(200, text=f"<html>{KEY}</html>")
    async with VolcASR(ApiKey(KEY), retry=RetryPolicy(attempts=1)) as asr:
        with pytest.raises(VolcASRError) as caught:
            await asr.query(TASK)
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
