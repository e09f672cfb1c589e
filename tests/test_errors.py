"""The tree, and what each error carries through a pickle."""

import copy
import inspect
import pickle

import pytest
from ground import URL, task_of

from volcasr_async import Job, errors
from volcasr_async.errors import VolcASRError, without_queries


def drawn() -> dict[str, str | None]:
    """Read the indented list in the module's docstring: name -> parent."""
    found: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        word = line.split()[0] if line.startswith("    ") else ""
        if not word:
            continue
        depth = len(line) - len(line.lstrip())
        while above and above[-1][0] >= depth:
            above.pop()
        found[word] = above[-1][1] if above else None
        above.append((depth, word))
    return found


def real(kind: type[BaseException], parent: str | None = None) -> dict[str, str | None]:
    found: dict[str, str | None] = {kind.__name__: parent}
    for sub in kind.__subclasses__():
        found |= real(sub, kind.__name__)
    return found


ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, VolcASRError)]
RETRYABLE = {"TransportError", "ReplyError", "RateLimited", "ServerBusy", "ServerError", "BudgetFull"}
ACCOUNT = {"ConfigurationError", "JournalError", "AuthenticationFailed", "ResourceNotGranted", "QuotaExceeded"}


def example(kind: type[VolcASRError]) -> VolcASRError:
    if issubclass(kind, errors.ServiceError):
        return kind("m", code=5, log_id="l", request_id="r", http_status=429, edition="flash", task=task_of(), hint="h",
                    retry_after_s=2.0)  # fmt: skip
    if kind is errors.TransportError:
        return errors.TransportError("m", sent="yes")
    if kind is errors.ReplyError:
        return errors.ReplyError("m", excerpt="x", http_status=200, log_id="l")
    if kind in (errors.SubmitUncertain, errors.WaitTimeout):
        return kind("m", task=task_of(), job=Job(URL))
    return kind("m")


def test_the_drawn_tree_is_the_real_one() -> None:
    """The picture in the docstring shows every class below its parent."""
    assert drawn() == real(VolcASRError)


@pytest.mark.parametrize("kind", ALL)
def test_travel(kind: type[VolcASRError]) -> None:
    """Pickles and copies keep class, text and every attribute."""
    error = example(kind)
    error.retryable = not kind.retryable
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert (str(again), vars(again)) == (str(error), vars(error))


@pytest.mark.parametrize("kind", ALL)
def test_classification(kind: type[VolcASRError]) -> None:
    """What may pass and what stops a batch stands on the class."""
    assert kind.retryable == (kind.__name__ in RETRYABLE)
    assert kind.account_wide == (kind.__name__ in ACCOUNT)


def test_builtin_relatives() -> None:
    """Bad values are ValueErrors, a deadline is a TimeoutError."""
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.ConfigurationError, ValueError)
    assert issubclass(errors.WaitTimeout, TimeoutError)


def test_str_of_a_service_error() -> None:
    """Number, text, facts and hint; nothing empty."""
    assert str(example(errors.RateLimited)) == "5: m (edition flash, HTTP 429, log id l, request id r). h"
    assert str(errors.ServerBusy()) == "the service gave no reason"
    assert str(errors.EmptyAudio("m")).startswith("m. ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text? yes", "plain text? yes"),
        ("a/b?c", "a/b?c"),
        ("https://h/a.mp3", "https://h/a.mp3"),
        ("get https://h/a.mp3?SECRET&x=1 failed", "get https://h/a.mp3?... failed"),
        ("https://h/a#SECRET", "https://h/a?..."),
        ("https://u:SECRET@h/a", "https://h/a"),
        ("https://u:SECRET@SECRET@h/a?SECRET", "https://h/a?..."),
        ("https://u:SECRET'x@h/a?b='SECRET", "https://h/a?..."),
        ('{"u":"https:\\/\\/h\\/a?SECRET"}', '{"u":"https:\\/\\/h\\/a?...'),
        ("tos://u:SECRET@h?x=SECRET s3://b?SECRET", "tos://h?... s3://b?..."),
        ("https：//h.example／a.wav？sign=S", "https：//h.example／a.wav?..."),
        ("HTTPS://u:p@h.example／a.wav＃S", "HTTPS://h.example／a.wav?..."),
        ("http：//u:p@h/a.mp3", "http：//h/a.mp3"),
    ],
)
def test_without_queries(text: str, shown: str) -> None:
    """Queries, fragments and user parts are cut, the rest stays."""
    assert without_queries(text) == shown
