"""The summary of the simulator stays short, however much it has received."""

import anyio
import pytest
from io_kit import client

from volcasr_async.testing import Simulator, make_wav

pytestmark = pytest.mark.anyio


async def test_the_summary_counts_uploads_and_shows_the_last(simulator: Simulator) -> None:
    """Two hundred uploads are two numbers and five records; the parameter asks for more, or for none."""
    import httpx

    audio = [make_wav(0.1 + number / 1000) for number in range(200)]
    async with client(simulator) as asr, anyio.create_task_group() as tasks:
        for data in audio:
            tasks.start_soon(asr.transcribe, data)
    async with httpx.AsyncClient(transport=simulator.transport(), base_url="http://127.0.0.1") as http:
        whole = await http.get("/_simulator")
        view = whole.json()
        more = (await http.get("/_simulator", params={"last": 20})).json()
        none = (await http.get("/_simulator", params={"last": 0})).json()
        uploads = (await http.get("/_simulator/uploads")).json()
        wrong = await http.get("/_simulator", params={"last": "all"})
    assert (view["uploads"], view["upload_bytes"]) == (200, sum(map(len, audio)))
    assert (view["charges"], view["violations"]) == (200, 0)
    assert len(whole.content) < 4000
    assert view["last"]["uploads"] == uploads[-5:]
    assert len(view["last"]["charges"]) == 5
    assert more["last"]["uploads"] == uploads[-20:]
    assert none["last"] == {"charges": [], "violations": [], "uploads": []}
    assert len(uploads) == 200
    assert wrong.status_code == 400
