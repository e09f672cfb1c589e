"""`volcasr simulate` makes the simulator that its flags ask for."""

import subprocess
import sys
import uuid

import anyio
import pytest
from sim_calls import Calls, code

from volcasr_async.testing import Simulator

pytestmark = pytest.mark.anyio
COMMAND = (sys.executable, "-m", "volcasr_async", "simulate", "--port", "0")


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_task_ids_and_faults_over_a_port() -> None:
    """The service's own ids, a fault with its status, and the bill in the view."""
    flags = ("--task-ids", "own", "--fault", "gateway-page:query,status=404,times=1")
    request_id = str(uuid.uuid4())
    async with await anyio.open_process([*COMMAND, *flags], stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        first = (await process.stdout.receive()).decode()
        url = first.partition("VOLCASR_BASE_URL=")[2].split()[0]
        async with Calls(Simulator(), url) as calls:
            task_id = (await calls.submit(task=request_id)).json()["task_id"]
            assert (await calls.query(task_id)).status_code == 404
            assert code(await calls.query(task_id)) in {"20000001", "20000000"}
            assert code(await calls.query(request_id)) == "45000000"
            view = (await calls.http.get("/_simulator")).json()
            assert (view["charges"], view["recordings"]) == (1, 1)
            assert view["audio_s"] > 0
        process.terminate()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--task-ids", "new"), "request, own, both"),
        (("--fault", "gateway-page,status=99"), "status 99"),
        (("--fault", "forgotten:query"), "submit only"),
    ],
)
def test_flags_that_make_no_sense(flags: tuple[str, ...], said: str) -> None:
    """Status 2 and the reason."""
    done = subprocess.run([*COMMAND, *flags], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
