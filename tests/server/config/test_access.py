# SPDX-License-Identifier: MIT
"""Rules of access in a file: their meaning, and the errors of wrong ones."""

import ipaddress
from pathlib import Path

import pytest

from geartrain.core.access import ADMIN, SUBMIT, WORK, Rule, digest_of
from geartrain.server.config.access import access_rules
from geartrain.server.config.kinds import OptionError
from geartrain.server.config.sources import Invocation, read

KNOWN = "tlhIngan-Hol-vIjatlh"
OTHER = "nuqneH-nuqneH-nuqneH"


def invocation(folder: Path, text: str, *words: str) -> Invocation:
    file = folder / "gearmand.toml"
    file.write_text(text)
    file.chmod(0o600)
    return read(["--config-file", str(file), *words], {}, default_files=())


def rule(folder: Path, text: str) -> Rule:
    access = invocation(folder, f"[[access]]\n{text}").options.access
    assert access is not None
    return access.rules[0]


def error(folder: Path, text: str) -> str:
    with pytest.raises(OptionError) as caught:
        invocation(folder, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('may = "submit"', Rule(rights=SUBMIT)),
        ('may = ["submit", "work", "admin"]', Rule(rights=SUBMIT | WORK | ADMIN)),
        (
            'may = ["work"]\nfunctions = ["email:*", "grüße"]',
            Rule(rights=WORK, functions=(b"email:*", "grüße".encode())),
        ),
        ('may = ["work"]\nfunctions = "f"', Rule(rights=WORK, functions=(b"f",))),
        (
            'may = "work"\ncertificate = ["*.example.org", "db"]',
            Rule(rights=WORK, certificates=(b"cn:*.example.org", b"dns:*.example.org", b"cn:db", b"dns:db")),
        ),
        (
            'may = "work"\ncertificate = ["cn:web", "dns:web", "email:*@example.org", "uri:spiffe://*", "ip:::1"]',
            Rule(
                rights=WORK,
                certificates=(b"cn:web", b"dns:web", b"email:*@example.org", b"uri:spiffe://*", b"ip:::1"),
            ),
        ),
        (
            'may = "work"\naddress = ["10.0.0.0/8", "2001:db8::1", "local"]',
            Rule(
                rights=WORK,
                networks=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::1/128")),
                local=True,
            ),
        ),
        (
            f'may = "work"\ntoken = ["{KNOWN}", "{OTHER}"]',
            Rule(rights=WORK, tokens=(digest_of(KNOWN.encode()), digest_of(OTHER.encode()))),
        ),
    ],
)
def test_a_rule_is_parsed(tmp_path: Path, text: str, expected: Rule) -> None:
    assert rule(tmp_path, text) == expected


@pytest.mark.parametrize("key", ["token-file", "token_file"])
def test_tokens_may_be_in_files_one_a_line(tmp_path: Path, key: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# the new one\n{KNOWN}\n\n  {OTHER}\r\n")

    assert rule(tmp_path, f'may = "work"\n{key} = "{file}"').tokens == (
        digest_of(KNOWN.encode()),
        digest_of(OTHER.encode()),
    )


def test_without_rules_there_are_none(tmp_path: Path) -> None:
    assert invocation(tmp_path, "port = 4731").options.access is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("access = 1", "'access' is written as tables, [[access]], one for each rule"),
        ("access = []", "'access' is written as tables, [[access]], one for each rule"),
        ("access = 'all'", "'access' is written as tables, [[access]], one for each rule"),
        ("[access]\nmay = 'work'", "'access' is written as tables, [[access]], one for each rule"),
        ("[[access]]", "rule 1 of 'access': it needs 'may', with one or more of submit, work, admin"),
        ("[[access]]\nmay = []", "rule 1 of 'access': 'may' is a text, or a list of texts, none of them empty"),
        (
            "[[access]]\nmay = 'work'\n[[access]]\nmay = ['read']",
            "rule 2 of 'access': 'may' is one or more of submit, work, admin, not 'read'",
        ),
        (
            "[[access]]\nmay = 'work'\ntokens = 'x'",
            (
                "rule 1 of 'access': there is no key 'tokens'; "
                "the keys are certificate, token, token-file, address, functions, may"
            ),
        ),
        (
            "[[access]]\nmay = 'work'\ncertificate = []",
            "rule 1 of 'access': 'certificate' is a text, or a list of texts, none of them empty",
        ),
        (
            "[[access]]\nmay = 'work'\ncertificate = 'spiffe://web'",
            (
                "rule 1 of 'access': 'certificate' has no names of the kind 'spiffe'; "
                "the kinds are cn, dns, email, uri, ip, as in cn:spiffe://web"
            ),
        ),
        (
            "[[access]]\nmay = 'work'\ncertificate = 'email:'",
            "rule 1 of 'access': 'certificate' needs a name after 'email:'",
        ),
        (
            "[[access]]\nmay = 'work'\naddress = ['']",
            "rule 1 of 'access': 'address' is a text, or a list of texts, none of them empty",
        ),
        (
            "[[access]]\nmay = 'work'\nfunctions = 1",
            "rule 1 of 'access': 'functions' is a text, or a list of texts, none of them empty",
        ),
        (
            "[[access]]\nmay = 'work'\naddress = '10.1.2.3/8'",
            (
                "rule 1 of 'access': 'address' is an address, a network such as 10.0.0.0/8, or local, "
                "not '10.1.2.3/8' (10.1.2.3/8 has host bits set)"
            ),
        ),
        (
            "[[access]]\nmay = 'work'\ntoken-file = '/missing'",
            "rule 1 of 'access': could not read /missing: No such file or directory",
        ),
    ],
)
def test_an_invalid_rule_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    assert error(tmp_path, text) == f"{tmp_path / 'gearmand.toml'}: {message}"


@pytest.mark.parametrize("token", ["short-token", "with a space in the middle", "wïth-ä-lëttër-öf-lätin", "x" * 513])
def test_an_invalid_token_is_not_shown(tmp_path: Path, token: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(token)

    for text in (f"token = '{token}'", f"token-file = '{file}'", f"token = ['{KNOWN}', '{token}']"):
        message = error(tmp_path, f"[[access]]\nmay = 'work'\n{text}")
        assert "rule 1 of 'access': " in message
        assert "ASCII characters" in message
        assert token not in message
        assert KNOWN not in message


def test_an_empty_file_is_an_error_and_allows_nothing(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("\n# nothing yet\n")

    assert error(tmp_path, f"[[access]]\nmay = 'work'\ntoken-file = '{file}'").endswith(
        f"rule 1 of 'access': {file}: there is no token in this file"
    )


def test_a_program_may_have_rules_of_the_same_form() -> None:
    assert access_rules([{"may": ["work"], "token": KNOWN}]).tokens == [digest_of(KNOWN.encode())]


class TestWarnings:
    @pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
    def test_files_of_tokens_that_all_users_may_read(self, tmp_path: Path, mode: int, exposed: bool) -> None:
        tokens, config = tmp_path / "tokens", tmp_path / "gearmand.toml"
        tokens.write_text(KNOWN)
        tokens.chmod(mode)
        config.write_text(f"[[access]]\nmay = 'work'\ntoken-file = '{tokens}'\n[[access]]\nmay = 'work'")

        warnings = read([f"--config-file={config}", "--listen=localhost"], {}).warnings

        assert warnings == (
            [f"{tokens} holds tokens, and every user of this machine may read or change it; chmod o-rw {tokens}"]
            if exposed
            else []
        )

    def test_a_file_of_options_with_a_token_that_all_users_may_read(self, tmp_path: Path) -> None:
        config = tmp_path / "gearmand.toml"
        config.write_text(f"listen = ['unix:/s']\n[[access]]\nmay = 'work'\ntoken = '{KNOWN}'")
        config.chmod(0o644)

        (warning,) = read([f"--config-file={config}"], {}).warnings

        assert warning.startswith(f"{config} holds tokens")

    @pytest.mark.parametrize(
        ("words", "warned"),
        [
            ("", True),
            ("--listen=localhost --listen=10.0.0.1", True),
            ("--listen=example.org", True),
            ("--listen=localhost:4731 --listen=127.0.0.7 --listen=[::1]:4730 --listen=unix:/s", False),
            ("--ssl", False),
        ],
    )
    def test_tokens_in_clear_text(self, tmp_path: Path, words: str, warned: bool) -> None:
        found = invocation(tmp_path, f"[[access]]\nmay = 'work'\ntoken = '{KNOWN}'", *words.split()).warnings

        assert [warning.partition(":")[0] for warning in found] == (["TLS is off"] if warned else [])


def test_no_repr_shows_tokens(tmp_path: Path) -> None:
    found = invocation(tmp_path, f"[[access]]\nmay = 'work'\ntoken = '{KNOWN}'")

    assert KNOWN not in repr(found)
    assert repr(digest_of(KNOWN.encode())) not in repr(found)
