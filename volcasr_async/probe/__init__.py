"""What a local recording is, and what each edition would say to it, before anything is sent.

from volcasr_async.probe import probe, verdicts

found = probe("talk.wav")
print(found.codec, found.duration_s, verdicts(found)["flash"].fits)
"""

from volcasr_async.probe.facts import Probe
from volcasr_async.probe.look import probe
from volcasr_async.probe.verdicts import Verdict, verdicts

__all__ = ["Probe", "Verdict", "probe", "verdicts"]
