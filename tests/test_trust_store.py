"""A trust store that the environment names and that cannot be used: refused at once, with the variable and the file."""

from pathlib import Path
from typing import Any

import pytest
from io_kit import KEY, PLAIN, is_idle
from typer.testing import CliRunner

from volcasr_async import ConfigurationError, VolcASR
from volcasr_async.cli.app import app

HTTPS = "https://127.0.0.1:9"
WRONG = ["missing file", "file without certificate", "directory as file", "missing directory", "empty directory"]


@pytest.fixture(params=WRONG)
def wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[str, str]:
    """Set a variable to what cannot be used; gives the variable and its value."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "text.pem").write_text("no certificate\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "roots.pem").write_text("not under a hashed name\n")
    name, value = {
        "missing file": ("SSL_CERT_FILE", tmp_path / "none.pem"),
        "file without certificate": ("SSL_CERT_FILE", tmp_path / "text.pem"),
        "directory as file": ("SSL_CERT_FILE", tmp_path / "folder"),
        "missing directory": ("SSL_CERT_DIR", tmp_path / "none"),
        "empty directory": ("SSL_CERT_DIR", tmp_path / "folder"),
    }[request.param]
    monkeypatch.setenv(name, str(value))
    return name, str(value)


@pytest.mark.anyio
@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
async def test_the_library_refuses_it(engine: Any, wrong: tuple[str, str], anyio_backend_name: str) -> None:
    """A call and a batch raise at once, without a second try."""
    if engine == "aiohttp" and anyio_backend_name == "trio":
        pytest.skip("aiohttp runs on asyncio")
    async with VolcASR(KEY, base_url=HTTPS, http=engine) as asr:
        with pytest.raises(ConfigurationError) as caught:
            await asr.transcribe(PLAIN)
        assert all(part in str(caught.value) for part in wrong)
        assert asr.stats.started == 1
        with pytest.raises(ConfigurationError):
            async with asr.batch([PLAIN]) as batch:
                assert [outcome async for outcome in batch] == []
        assert asr.stats.started == 2
        assert is_idle(asr)


@pytest.mark.parametrize("command", [["transcribe", PLAIN], ["submit", PLAIN], ["doctor"]], ids=lambda words: words[0])
@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
def test_every_command_says_so(engine: str, command: list[str], wrong: tuple[str, str]) -> None:
    """In its own words, without a traceback."""
    environ = {"VOLCASR_API_KEY": KEY.key, "COLUMNS": "1000"}
    result = CliRunner().invoke(app, [*command, "--base-url", HTTPS, "--engine", engine], env=environ)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert all(part in result.output for part in wrong)
    assert "Traceback" not in result.output
