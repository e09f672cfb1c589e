"""A two-hour transcript, 30,000 words in 2,500 utterances, from the reply's bytes to values; then as a reply on the loop.

Ours decodes the words of an utterance when they are asked for; a row has all of them asked for as well. The others decode all
at once: json.loads and orjson into dicts, msgspec and pydantic into classes of the reply's shape. Memory is what is kept of one
transcript, by the growth of the process over ten; ours keeps the reply's own bytes too (2.7 MB), so nothing of it is lost.

The second table has the loop's worst stall when such a reply comes, the middle one of five: ours through `VolcASR.wait`, the
rivals by a query and a decode where it arrives, on the loop. Five hours are the longest that the service takes; the largest
reply is four times that, and ours only: pydantic takes 1.6 s for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import measure
from benchmarks.report import OURS

WORDS = 30_000
_KEPT = 10
_TASK = '{"id":"134cb175-4658-4487-a530-20408f979907","edition":{"name":"standard"},"request_id":"134cb175-4658-4487-a530-20408f979907","submitted_at":0.0}'
_QUERY = "/api/v3/auc/bigmodel/query"
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Api-Status-Code: 20000000\r\nX-Api-Message: OK\r\n"


def run(rounds: int = 3, words: int = WORDS, repeats: int = 15) -> list[dict[str, Any]]:
    """Measure both tables."""
    return [*decoding(rounds, words, repeats), *arriving({"2 h": words, "5 h": words * 5 // 2, "22 h": words * 11})]


def transcript(words: int) -> bytes:
    """Make a reply's body in the service's shape, as its documents show it, compact and in UTF-8."""
    characters = "今天我们来谈语音识别的结果怎样变成字幕和会议记录"
    utterances = []
    for first in range(0, words, 12):
        said = [characters[(first * 7 + n) % len(characters)] for n in range(min(12, words - first))]
        tokens = [
            {"blank_duration": 0, "end_time": 240 * (first + n) + 200, "start_time": 240 * (first + n), "text": text}
            for n, text in enumerate(said)
        ]
        utterances.append(
            {
                "additions": {"channel_id": "1", "speaker": str(first % 3)},
                "definite": True,
                "end_time": tokens[-1]["end_time"],
                "start_time": tokens[0]["start_time"],
                "text": "".join(said) + "。",
                "words": tokens,
            }
        )
    text = "".join(str(utterance["text"]) for utterance in utterances)
    body = {"audio_info": {"duration": 240 * words}, "result": {"text": text, "utterances": utterances}}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


# ---- from bytes to values ----


def decoding(rounds: int, words: int, repeats: int) -> list[dict[str, Any]]:
    """Time and memory of each."""
    rows = []
    for turn in range(rounds):
        order = [*DECODERS[turn % len(DECODERS) :], *DECODERS[: turn % len(DECODERS)]]
        found = {name: measure.alone(decode, name, words, repeats) for name in order}
        base = found["json.loads"]["ms"]
        rows += [{"name": name, **found[name], "/ json.loads": found[name]["ms"] / base} for name in DECODERS]
    return [
        measure.middle([row for row in rows if row["name"] == name], "ms", "kept MB", "/ json.loads")
        for name in DECODERS
    ]


DECODERS = (OURS["default"], "ours, then all words", "json.loads", "orjson", "msgspec structs", "pydantic")


def decode(name: str, words: int, repeats: int) -> dict[str, Any]:
    """Decode fresh bytes many times, each result dropped; then keep some and see how the process grew."""
    body = bytearray(transcript(words))
    work = _decoder(name)
    took = [_timed(work, bytes(body)) for _ in range(repeats + 2)][2:]
    before = measure.resident()
    kept = [work(bytes(body)) for _ in range(_KEPT)]
    grown = (measure.resident() - before) / len(kept)
    return {"ms": measure.median(took) * 1000, "kept MB": grown / measure.MB}


def _timed(work: Callable[[bytes], Any], body: bytes) -> float:
    began = time.perf_counter()
    result = work(body)
    took = time.perf_counter() - began
    del result
    return took


def _decoder(name: str) -> Callable[[bytes], Any]:
    match name:
        case "json.loads":
            return json.loads
        case "orjson":
            import orjson

            read: Callable[[bytes], Any] = orjson.loads
            return read
        case "msgspec structs":
            return _msgspec()
        case "pydantic":
            return _pydantic()
        case _:
            from volcasr_async import read_transcript

            return read_transcript if name == OURS["default"] else lambda body: _all_words(read_transcript(body))


def _all_words(read: Any) -> Any:
    return read, [utterance.words for utterance in read.utterances]


def _msgspec() -> Callable[[bytes], Any]:
    import msgspec

    word = msgspec.defstruct("Word", [("text", str), ("start_time", int), ("end_time", int), ("blank_duration", int)])
    utterance = msgspec.defstruct(
        "Utterance",
        [
            *(("text", str), ("start_time", int), ("end_time", int), ("definite", bool)),
            *(("additions", dict[str, str]), ("words", list[word])),  # type: ignore[valid-type]
        ],
    )
    result = msgspec.defstruct("Result", [("text", str), ("utterances", list[utterance])])  # type: ignore[valid-type]
    info = msgspec.defstruct("AudioInfo", [("duration", int)])
    return msgspec.json.Decoder(msgspec.defstruct("Body", [("audio_info", info), ("result", result)])).decode


def _pydantic() -> Callable[[bytes], Any]:
    from pydantic import create_model

    word = create_model("Word", text=str, start_time=int, end_time=int, blank_duration=int)
    times: Any = {"start_time": int, "end_time": int}
    utterance = create_model("Utterance", text=str, definite=bool, additions=dict[str, str], words=list[word], **times)  # type: ignore[valid-type]  # made just now
    result = create_model("Result", text=str, utterances=list[utterance])  # type: ignore[valid-type]
    info = create_model("AudioInfo", duration=int)
    return create_model("Body", audio_info=info, result=result).model_validate_json


# ---- as a reply ----


def arriving(sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    """The loop's worst stall while such a reply is read and decoded."""
    rows = []
    for audio, words in sizes.items():
        with answering(words) as (url, length):
            rivals = () if words == max(sizes.values()) else ("aiohttp, json.loads", "httpx, pydantic")
            for name, engine in (*_ENGINES.items(), *((rival, None) for rival in rivals)):
                without = measure.NOT_INSTALLED[engine] if engine else ()
                row = measure.alone(arrive, engine or name, url, words, without=without)
                rows.append({"name": name, "audio": audio, "reply MB": round(length / measure.MB, 1), **row})
    return rows


_ENGINES = {OURS["default"]: "httpx", OURS["[speed]"]: "aiohttp"}


async def arrive(who: str, url: str, words: int, repeats: int = 5) -> dict[str, Any]:
    """Have the reply come several times."""
    rows = []

    async def each(work: Callable[[], Awaitable[int]]) -> None:
        for turn in range(repeats + 1):
            async with measure.using() as used:
                assert await work() == -(-words // 12)
            if turn:  # the first opens the connection and imports
                rows.append({"stall ms": used.stall_s, "wall ms": used.wall_s, "CPU ms": used.cpu_s})

    match who:
        case "aiohttp, json.loads":
            await by_aiohttp(url, each)
        case "httpx, pydantic":
            await by_httpx(url, each)
        case engine:
            await by_us(url, each, engine)
    return {key: round(measure.median(row[key] for row in rows) * 1000, 1) for key in rows[0]}


async def by_us(url: str, each: Any, engine: Any) -> None:
    """`wait` for a task that is finished."""
    from volcasr_async import ApiKey, Limits, Task, VolcASR

    async with VolcASR(ApiKey("key"), base_url=url, limits=Limits(qps=None), http=engine) as asr:

        async def work() -> int:
            return len((await asr.wait(Task.from_json(_TASK))).utterances)

        await each(work)


async def by_aiohttp(url: str, each: Any) -> None:
    """A query, and what came decoded into dicts."""
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def work() -> int:
            async with session.post(url + _QUERY, data=b"{}") as reply:
                return len(json.loads(await reply.read())["result"]["utterances"])

        await each(work)


async def by_httpx(url: str, each: Any) -> None:
    """A query, and what came decoded into models."""
    import httpx

    read = _pydantic()
    async with httpx.AsyncClient() as client:

        async def work() -> int:
            reply = await client.post(url + _QUERY, content=b"{}")
            return len(read(reply.content).result.utterances)

        await each(work)


@contextlib.contextmanager
def answering(words: int) -> Iterator[tuple[str, int]]:
    """Run a server in its own process that answers every request with the transcript; its base URL and the body's length."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_main, args=(its, words), daemon=True)
    process.start()
    try:
        port, length = mine.recv()
        yield f"http://127.0.0.1:{port}", length
    finally:
        process.terminate()
        process.join()


def _main(pipe: Connection, words: int) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(pipe, transcript(words)))


async def _serve(pipe: Connection, body: bytes) -> None:
    reply = (_HEAD + f"Content-Length: {len(body)}\r\n\r\n").encode() + body

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
                )
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(reply)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    pipe.send((server.sockets[0].getsockname()[1], len(body)))
    await server.serve_forever()
