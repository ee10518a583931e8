from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pgwire.conninfo import OPTIONS, make, parse, redact

SECRET_KEYWORDS = [option.keyword for option in OPTIONS.values() if option.secret]

# Letters of which no keyword, and nothing of the strings around, is made.
SECRETS = st.text("QXZ0189é'\\ =@:/?&%#,[]\n", min_size=4, max_size=20)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("host=a port=5432", "host=a port=5432"),
        ("host=a password=b user=c", "host=a password=**** user=c"),
        ("password = 'b c'user=d", "password = ****user=d"),
        ("password=a password=b", "password=**** password=****"),
        ("postgresql://u:p@h1:1,h2/d?sslmode=x", "postgresql://u:****@h1:1,h2/d?sslmode=x"),
        ("postgresql://u@h/d?password=x&port=1", "postgresql://u@h/d?password=****&port=1"),
        ("postgresql://u@h/d?%70assword=x", "postgresql://u@h/d?%70assword=****"),
        ("postgresql://h/d?user=a@b&ssl=true", "postgresql://h/d?user=a@b&ssl=true"),
        # What libpq refuses.
        ("host=a password='b c", "host=a password=****"),
        ("host=a password=b c", "host=a password=**** ****"),
        ("host=a pasword=b user=c", "host=a **** user=c"),
        ("hunter2", "****"),
        ("password hunter2", "password ****"),
        ("postgresql://u:p@h/d?bogus=p&user=c", "postgresql://u:****@h/d?****&user=c"),
        ("postgresql://u:p@h/d?password=a=b", "postgresql://u:****@h/d?password=****"),
        ("postgresql://u:%zz@h/d", "postgresql://u:****@h/d"),
        ("Postgresql://u:p@h", "****"),
        # What libpq takes, but not as it was meant.
        ("host= password=hunter2 port=5", "host= **** port=5"),
        ("dbname='host=a password=b' port=5", "dbname=**** port=5"),
        ("dbname=postgresql://u:p@h/d port=5", "dbname=**** port=5"),
        ("postgresql://u:p/q@h/d", "postgresql://****"),
        ("postgresql://u:p@q@h/d", "postgresql://****"),
        ("postgresql://u:hunter2/d", "postgresql://****"),
        ("postgresql://h?password=a@b", "postgresql://****"),
        ("postgresql://h/d?options=password%3Da&user=u", "postgresql://h/d?options=****&user=u"),
        ("postgresql://h/d?options=password=%zz", "postgresql://h/d?options=****"),
        ("postgresql://h/d?options=password%zz=&user=u", "postgresql://h/d?options=****"),
        # What cannot be a connection string at all.
        ("password=a\0b host=c", "password=**** host=c"),
        ("password=\ud800 host=c", "password=**** host=c"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert redact(text) == shown


def _survivors(secret: str, shown: str) -> list[str]:
    pieces = (secret[start : start + 4] for start in range(len(secret) - 3))
    # White space alone is not the secret's: it stands around the value.
    return [piece for piece in pieces if piece.strip() and piece in shown]


@given(st.sampled_from(SECRET_KEYWORDS), SECRETS)
def test_made_strings_hide_the_secret_and_nothing_else(keyword: str, secret: str) -> None:
    others = {"host": "db.example", "options": "-c a=b"}
    shown = redact(make(**others, **{keyword: secret}))
    assert not _survivors(secret, shown)
    assert shown == make(**others) + f" {keyword}=****"


@given(
    st.sampled_from(
        [
            "password={}",
            "host=hhh password={} port=5432",
            "host=hhh password='{}' port=5432",
            "password='{} port=5432",
            "passwort={}",
            "passwort={} host=hhh",
            "host=hhh {}",
            "sslpassword = {}\thost=hhh",
            "postgresql://u:{}@hhh/ddd",
            "postgresql://u:{}@hhh",
            "postgresql://:{}@hhh:5432,iii:5433/ddd?sslmode=disable",
            "postgresql://u@hhh/ddd?password={}",
            "postgres://u@hhh/ddd?host=a&password={}&port=5432",
            "postgres://u@hhh/ddd?passwort={}",
            "postgres://u:{}@[::1]:5432/?connect_timeout=x",
        ]
    ),
    SECRETS,
)
@example("postgresql://u:{}@hhh/ddd", "0@QXZ0?Z=1")
@example("postgresql://u:{}@hhh/ddd", "0?Q/XXXX")
@example("password={}", "0 XXXX=QQQQ")
def test_raw_secrets_do_not_survive(template: str, secret: str) -> None:
    around = template.replace("{}", "")
    assume(not _survivors(secret, around))
    assert not _survivors(secret, redact(template.format(secret)))


@given(st.text())
def test_never_raises_and_shows_what_has_no_secret(text: str) -> None:
    redact(text)
    redact("postgresql://" + text)
    redact("password=" + text)


@given(st.dictionaries(st.sampled_from(["host", "user", "port"]), st.text("ab'\\ \n")))
def test_what_has_no_secret_stays(options: dict[str, str]) -> None:
    text = make(**options)
    assert redact(text) == text
    assert parse(redact(text)) == options
