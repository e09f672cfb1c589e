"""Pasted keys: what is recognisably not a key of the speech console is rejected at once, and never shown."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volcasr_async import ApiKey, AppKey, ConfigurationError
from volcasr_async.environment import credentials_from
from volcasr_async.keys import checked_key

SECRET = "5f2cSECRET0a1b"
WRONG = [
    (f'"{SECRET}"', "is in quotes"),
    (f"'{SECRET}'", "is in quotes"),
    (f"“{SECRET}”", "is in quotes"),
    (f'{SECRET}"', "is in quotes"),
    (f"Bearer {SECRET}", "scheme"),
    (f"Bearer; {SECRET}", "scheme"),
    (f"bearer\t{SECRET}", "scheme"),
    (f"x-api-key: {SECRET}", "a whole header"),
    (f"X-Api-Access-Key:{SECRET}", "a whole header"),
    (f"Authorization: Bearer {SECRET}", "a whole header"),
    (f"export VOLCASR_API_KEY={SECRET}", "a whole assignment"),
    (f"VOLCASR_API_KEY='{SECRET}'", "a whole assignment"),
    (f'api_key = "{SECRET}"', "a whole assignment"),
    (f"$env:VOLCASR_API_KEY={SECRET}", "a whole assignment"),
    (f"ark-{SECRET}", "the Ark platform"),
    (f"AKLT{SECRET}", "a Volcengine account"),
    (f"sk-{SECRET}", "OpenAI"),
    (f"{SECRET} {SECRET}", "blanks or line ends inside"),
    (f"{SECRET}\n{SECRET}", "blanks or line ends inside"),
    (f"{SECRET}\r\nX: y", "blanks or line ends inside"),
    (f"{SECRET}\u200b{SECRET}", r"an invisible character \(U\+200B\)"),
    ("５ｆ２ｃSECRET", "full-width characters"),
    ("SECRETключ", "characters that no key has"),
    (f"{SECRET}\x00", "control characters"),
    (f"{SECRET}****", "masked or cut off"),
    (f"{SECRET}...", "masked or cut off"),
    ("SECRET" * 1000, "more than any key"),
    (f"https://h/{SECRET}", "is a URL"),
    *((text, "a placeholder") for text in ("your-api-key", "YOUR_API_KEY", "<API_KEY>", "<SECRET>", "xxx")),
    *(
        (text, "a placeholder")
        for text in ("your_volcengine_api_key_here", "changeme", "...", "None", "你的密钥", '"xxxx"')
    ),
    *((text, "was not replaced by its value") for text in ("$SECRET", "${SECRET}", "%SECRET%", "{{ SECRET }}")),
    ("", "is empty"),
    (" \r\n", "is empty"),
]


@pytest.mark.parametrize(("pasted", "said"), WRONG)
def test_explained_and_not_shown(pasted: str, said: str) -> None:
    """From Python and from the environment alike; the message says what it is and what to do, without any of it."""
    makers: list[Callable[[], object]] = [
        lambda: ApiKey(pasted),
        lambda: AppKey("app", pasted),
        lambda: AppKey(pasted, "token"),
        lambda: AppKey("app", "token", pasted),
    ]
    if pasted:
        makers += [
            lambda: credentials_from({"VOLCASR_API_KEY": pasted}),
            lambda: credentials_from({"VOLCASR_APP_KEY": "app", "VOLCASR_ACCESS_KEY": pasted}),
            lambda: credentials_from({"VOLCASR_APP_KEY": "a", "VOLCASR_ACCESS_KEY": "b", "VOLCASR_SECRET_KEY": pasted}),
        ]
    for make in makers:
        with pytest.raises(ConfigurationError, match=said) as caught:
            make()
        assert "SECRET" not in str(caught.value).replace("VOLCASR_SECRET_KEY", "")


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", "  {} ", "\ufeff{}", "\t{}\u200b", "\u3000{}\xa0"])
def test_blanks_around_are_removed(around: str) -> None:
    """A key that is read from a file ends with a line end."""
    pasted = around.format(SECRET)
    assert ApiKey(pasted) == ApiKey(SECRET)
    assert AppKey(pasted, pasted, pasted) == AppKey(SECRET, SECRET, SECRET)
    assert credentials_from({"VOLCASR_API_KEY": pasted}) == ApiKey(SECRET)
    assert SECRET not in repr(ApiKey(pasted))


def test_the_variable_is_named() -> None:
    """The user sees which of three variables is wrong."""
    with pytest.raises(ConfigurationError, match=r"^VOLCASR_ACCESS_KEY is in quotes"):
        credentials_from({"VOLCASR_APP_KEY": "1234567890", "VOLCASR_ACCESS_KEY": '"abc"'})


def test_swapped_pair() -> None:
    """The app id of the old console is a number, the access token a long text."""
    token = "NhkQwertyuiopasdfghjklzxcvbnm123"
    with pytest.raises(ConfigurationError, match="are swapped"):
        AppKey(token, "1234567890")
    with pytest.raises(ConfigurationError, match=r"looks like an APP ID .* pass AppKey\(app_key, access_key\)"):
        ApiKey("1234567890")
    assert AppKey("1234567890", token).app_key == "1234567890"


@pytest.mark.parametrize(
    "key",
    [
        "01234567-89ab-cdef-0123-456789abcdef",
        "k",
        "any-key",
        "my-key",
        "NhkQ_erty-iopasdfghjklzxcvbnm123",
        "12345",
        "a=b:c$d%e",
    ],
)
def test_keys_pass(key: str) -> None:
    """UUIDs, tokens, and whatever the simulator is given."""
    assert ApiKey(key).key == key


@given(st.uuids().map(str) | st.from_regex(r"[A-Za-z0-9_-]{32}", fullmatch=True))
def test_no_key_is_mistaken(key: str) -> None:
    """Keys of the consoles look like these."""
    assert checked_key("key", key) == key


@given(st.text())
def test_what_passes_can_stand_in_a_header(text: str) -> None:
    """Printable ASCII without blanks, or an error."""
    try:
        key = checked_key("key", text)
    except ConfigurationError:
        return
    assert key.isascii()
    assert key.isprintable()
    assert not set(key) & set(" \"'\r\n\t")
