"""Every target by its name; Hypothesis and the coverage-guided fuzzer both drive these."""

from __future__ import annotations

import fuzz_documents
import fuzz_journal
import fuzz_listing
import fuzz_probe
import fuzz_reply
import fuzz_subtitles
from fuzz_kit import Target

TARGETS: dict[str, Target] = {
    "reply": fuzz_reply.TARGET,
    "journal": fuzz_journal.TARGET,
    "listing": fuzz_listing.TARGET,
    "subtitles": fuzz_subtitles.TARGET,
    "documents": fuzz_documents.TARGET,
    "probe": fuzz_probe.TARGET,
}
