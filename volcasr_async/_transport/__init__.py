"""The one door to httpx: a Call goes out, a Reply comes back."""

from volcasr_async._transport.door import MOST_CONNECTIONS, Door

__all__ = ["MOST_CONNECTIONS", "Door"]
