"""A Django project in one file, with a sync view and an async view: `uvicorn --app-dir docs/examples django_app:application`."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

import django
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from volcasr_async import InputError, VolcASR, WaitTimeout

Message = MutableMapping[str, Any]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for this example")  # noqa: S106
    django.setup()


@cache
def client() -> VolcASR:
    """Make one client for the process, when it is first needed."""
    return VolcASR()


async def answer(url: str) -> JsonResponse:
    """Transcribe a link; both views use it."""
    try:
        found = await client().transcribe(url, timeout=60)
    except InputError as error:  # what the caller sent cannot be recognised
        return JsonResponse({"error": error.public_code, "message": error.public_message}, status=422)
    except WaitTimeout as error:
        return JsonResponse({"error": error.public_code, "message": error.public_message}, status=504)
    return JsonResponse({"text": found.text})


def transcript(request: HttpRequest) -> JsonResponse:
    """Wait in a thread of the server: `async_to_sync` runs the call in an event loop."""
    return async_to_sync(answer)(str(request.GET.get("url", "")))


async def transcript_async(request: HttpRequest) -> JsonResponse:
    """Wait without a thread: any number of requests may do so at once."""
    return await answer(str(request.GET.get("url", "")))


urlpatterns = [path("transcript", transcript), path("transcript/async", transcript_async)]

wsgi = get_wsgi_application()
django_asgi = get_asgi_application()


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Serve ASGI. Django leaves the lifespan to others, and its end is where the client's connections are closed."""
    if scope["type"] != "lifespan":
        await django_asgi(scope, receive, send)
        return
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown" and client.cache_info().currsize:
            await client().aclose()
            client.cache_clear()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
