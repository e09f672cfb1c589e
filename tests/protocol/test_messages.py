"""The values between the floors."""

from volcasr_async.protocol.messages import Call


def test_content_length() -> None:
    """The length counts the audio in base64 where there is any."""
    assert Call("submit", "/p", (), b"abc").content_length(100) == 3
    assert Call("flash", "/p", (), b"abc", b"de", has_audio=True).content_length(4) == 3 + 8 + 2


def test_a_call_shows_neither_headers_nor_body() -> None:
    """They hold credentials, signed links and audio."""
    call = Call("submit", "/p", (("X-Api-Key", "SECRET"),), b"SECRET")
    assert "SECRET" not in repr(call) + repr(call.__rich_repr__())
    assert "/p" in repr(call)
