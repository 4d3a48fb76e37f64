# SPDX-License-Identifier: MIT
"""Rules of access: their conditions, their rights, and the comparison of tokens in constant time."""

import hmac
import ipaddress

import pytest

from geartrain.core.access import ADMIN, SUBMIT, WORK, AccessRules, Identity, Right, Rule, digest_of, matches

TOKEN = b"tlhIngan-Hol-vIjatlh"


def identity(host: str = "192.0.2.7", *, local: bool = False, certificate: tuple[bytes, ...] = ()) -> Identity:
    made = Identity(host, local)
    made.certificate = certificate
    return made


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (b"email", b"email", True),
        (b"email", b"email2", False),
        (b"email", b"Email", False),
        (b"*", b"", True),
        (b"*", b"any\nthing \xff", True),
        (b"email:*", b"email:send", True),
        (b"email:*", b"email:", True),
        (b"email:*", b"email", False),
        (b"email:*", b"my-email:send", False),
        (b"*:send", b"email:send", True),
        (b"*:send", b"email:sent", False),
        (b"a*a", b"a", False),
        (b"a*a", b"aa", True),
        (b"a*b*c", b"abc", True),
        (b"a*b*c", b"a-b-b-c", True),
        (b"a*b*c", b"acb", False),
        (b"a*bc*c", b"abc", False),
        (b"**", b"x", True),
        (b"[ab].?", b"a.x", False),
        (b"[ab].?", b"[ab].?", True),
    ],
)
def test_a_star_stands_for_any_letters_and_nothing_else_is_special(pattern: bytes, name: bytes, expected: bool) -> None:
    assert matches(pattern, name) is expected


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (b"a*b*b*c", b"abc", False),  # each part has letters of its own
        (b"a*b*b*c", b"abbc", True),
        (b"*b*bc*", b"bbc", True),  # each part at its first place
        (b"a*c*b*d", b"abcd", False),  # in their order
        (b"ab*b*c", b"abc", False),  # after the beginning
        (b"a*b*bc", b"abc", False),  # before the end
    ],
)
def test_the_parts_of_a_pattern_follow_each_other(pattern: bytes, name: bytes, expected: bool) -> None:
    assert matches(pattern, name) is expected


def test_a_long_name_is_matched_without_backtracking() -> None:
    """With backtracking this test would never end."""
    assert not matches(b"*a" * 50 + b"*b", b"a" * 8000)


class TestConditions:
    def test_a_rule_without_conditions_applies_to_all_peers(self) -> None:
        assert Rule(rights=SUBMIT).applies_to(identity())

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            ((b"cn:web-1", b"dns:web-1.example.org"), True),
            ((b"cn:worker",), False),
            ((b"email:dns:web-1.example.org",), False),
            ((), False),
        ],
    )
    def test_by_the_names_in_a_certificate(self, names: tuple[bytes, ...], expected: bool) -> None:
        rule = Rule(rights=SUBMIT, certificates=(b"cn:db", b"dns:*.example.org"))

        assert rule.applies_to(identity(certificate=names)) is expected

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            ("192.0.2.7", True),
            ("192.0.3.7", False),
            ("::ffff:192.0.2.7", True),
            ("2001:db8::1", True),
            ("2001:db8::1%eth0", True),
            ("2001:db9::1", False),
            ("unix", False),
        ],
    )
    def test_by_address(self, host: str, expected: bool) -> None:
        networks = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32"))

        assert Rule(rights=SUBMIT, networks=networks).applies_to(identity(host)) is expected

    def test_by_a_local_connection(self) -> None:
        rule = Rule(rights=SUBMIT, local=True)

        assert rule.applies_to(identity("unix", local=True))
        assert not rule.applies_to(identity())

    def test_by_token(self) -> None:
        rule = Rule(rights=SUBMIT, tokens=(digest_of(b"another"), digest_of(TOKEN)))
        knowing = identity()
        knowing.token = digest_of(TOKEN)

        assert rule.applies_to(knowing)
        assert not rule.applies_to(identity())

    def test_all_conditions_have_to_be_met(self) -> None:
        rule = Rule(rights=SUBMIT, certificates=(b"web",), tokens=(digest_of(TOKEN),), local=True)
        peer = identity(local=True, certificate=(b"web",))

        assert not rule.applies_to(peer)
        peer.token = digest_of(TOKEN)
        assert rule.applies_to(peer)


class TestRights:
    def test_rights_of_all_rules_add_up(self) -> None:
        peer = identity()
        peer.apply_rules(
            AccessRules(
                (
                    Rule(rights=SUBMIT, functions=(b"a", b"b")),
                    Rule(rights=WORK | ADMIN, functions=(b"b*",)),
                    Rule(rights=ADMIN, local=True),
                )
            )
        )

        assert [Right(peer.rights(name)) for name in (b"a", b"b", b"c")] == [
            Right.SUBMIT,
            Right.SUBMIT | Right.WORK | Right.ADMIN,
            Right(0),
        ]
        assert peer.may_somewhere(ADMIN)
        assert not peer.may_everywhere(ADMIN)

    def test_other_rules_replace_cached_rights(self) -> None:
        peer = identity()
        peer.apply_rules(AccessRules((Rule(rights=SUBMIT),)))
        assert peer.rights(b"f") == SUBMIT

        peer.apply_rules(AccessRules((Rule(rights=WORK),)))

        assert peer.rights(b"f") == WORK

    def test_the_cache_is_limited_and_skips_functions_without_rights(self) -> None:
        peer = identity()
        peer.apply_rules(AccessRules((Rule(rights=SUBMIT, functions=(b"f*",)),)))

        for number in range(3000):
            assert peer.rights(b"f%d" % number) == SUBMIT
            assert peer.rights(b"g%d" % number) == 0
        assert peer.rights(b"f" * 8001) == SUBMIT

        assert 0 < len(peer._rights) <= 1024
        assert all(name.startswith(b"f") and len(name) <= 8000 for name in peer._rights)


def test_access_rules_list_their_tokens_and_certificates() -> None:
    rules = AccessRules(
        (Rule(rights=SUBMIT, certificates=(b"a", b"b*")), Rule(rights=WORK, tokens=(digest_of(TOKEN),)))
    )

    assert rules.certificates == [b"a", b"b*"]
    assert rules.tokens == [digest_of(TOKEN)]


class TestTokens:
    def test_all_digests_are_compared_even_after_a_match(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compared: list[bytes] = []
        compare = hmac.compare_digest

        def counted(ours: bytes, theirs: bytes) -> bool:
            compared.append(ours)
            return compare(ours, theirs)

        monkeypatch.setattr(hmac, "compare_digest", counted)
        digests = tuple(digest_of(b"%d" % number) for number in range(5))
        rules = AccessRules((Rule(rights=SUBMIT, tokens=digests[:2]), Rule(rights=SUBMIT, tokens=digests[2:])))

        assert rules.knows(digests[0])
        assert not rules.knows(digest_of(b"x"))
        assert compared == list(digests) * 2

    def test_all_digests_have_one_length(self) -> None:
        assert {len(digest_of(token)) for token in (b"", b"x", TOKEN, TOKEN * 100)} == {32}

    def test_no_repr_shows_tokens(self) -> None:
        rules = AccessRules((Rule(rights=SUBMIT, tokens=(digest_of(TOKEN),)),))

        shown = repr(rules) + str(rules)

        assert TOKEN.decode() not in shown
        assert repr(digest_of(TOKEN)) not in shown
        assert "tokens" not in shown
