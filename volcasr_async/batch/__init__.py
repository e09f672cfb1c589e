"""Many recordings: a list goes in, each comes out exactly once."""

from volcasr_async.batch.stream import Batch

__all__ = ["Batch"]
