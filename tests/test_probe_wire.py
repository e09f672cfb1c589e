"""What the service reads about local audio."""

import json
from typing import Any

import httpx
import pytest

from volcasr_async import ApiKey, AudioBytes, VolcASR
from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio


class Copying(httpx.AsyncBaseTransport):
    """Keeps the `audio` section of each request on its way to the simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self._inner = simulator.transport()
        self.audio: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        section = json.loads(body)["audio"]
        self.audio.append({name: value for name, value in section.items() if name != "data"})
        return await self._inner.handle_async_request(
            httpx.Request(request.method, request.url, headers=request.headers, content=body)
        )


async def test_the_service_is_told_what_the_header_says() -> None:
    """An 8 kHz stereo WAV is declared as such; what the caller said stays."""
    simulator = Simulator()
    way = Copying(simulator)
    async with httpx.AsyncClient(transport=way) as http, VolcASR(ApiKey("any"), http=http) as asr:
        data = make_wav(1, rate=8000, channels=2)
        await asr.transcribe(data)
        await asr.transcribe(AudioBytes(data=data, rate=44100))
    assert way.audio[0] == {"format": "wav", "rate": 8000, "bits": 16, "channel": 2}
    assert way.audio[1]["rate"] == 44100
    assert simulator.violations == []
