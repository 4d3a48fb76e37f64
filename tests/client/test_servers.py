# SPDX-License-Identifier: MIT
"""The order of servers for a job."""

import random
from collections import Counter

import pytest

from geartrain.client.serverpool import Balance, RetryBudget, ServerPool
from geartrain.transport import Backoff, ServerAddress, parse_servers

A, B, C, D = SERVERS = parse_servers("a,b,c,d")
KEYS = [b"f\0%d" % number for number in range(2000)]


def a_pool(servers: list[ServerAddress] = SERVERS, balance: Balance = "order") -> ServerPool:
    return ServerPool(
        servers, balance=balance, backoff=Backoff(first=1.0, longest=8.0, jitter=0.0), chance=random.Random(7)
    )


class TestJobsWithoutAKey:
    def test_go_to_the_servers_in_order(self) -> None:
        assert a_pool().ranked(b"", 0.0) == SERVERS

    def test_are_spread_at_random_on_demand(self) -> None:
        servers = a_pool(balance="random")
        first = Counter(servers.ranked(b"", 0.0)[0] for _ in range(400))

        assert set(first) == set(SERVERS)
        assert min(first.values()) > 50


class TestJobsWithAKey:
    def test_go_to_the_same_server_in_any_order_of_the_servers(self) -> None:
        one, other = a_pool(), a_pool([D, B, A, C], "random")

        assert all(one.ranked(key, 0.0) == other.ranked(key, 0.0) for key in KEYS)

    def test_are_spread_evenly(self) -> None:
        first = Counter(a_pool().ranked(key, 0.0)[0] for key in KEYS)

        assert all(400 < first[server] < 600 for server in SERVERS)

    def test_move_only_from_the_server_that_fails_and_back(self) -> None:
        servers = a_pool()
        before = {key: servers.ranked(key, 0.0)[0] for key in KEYS}
        servers.failed(B, 0.0, "down")

        during = {key: servers.ranked(key, 0.5)[0] for key in KEYS}
        after = {key: servers.ranked(key, 1.0)[0] for key in KEYS}

        assert all(during[key] == before[key] for key in KEYS if before[key] != B)
        assert B not in during.values()
        assert after == before


class TestJobsWithAKeyOfPerl:
    """The places are those that `Gearman::Task::hash` computes, modulo the number of servers."""

    @pytest.mark.parametrize(("key", "hashed"), [(b"a", 26807), (b"unique 7", 3734), (b"\xc3\xb6", 780)])
    def test_go_where_perl_sends_them(self, key: bytes, hashed: int) -> None:
        servers = ServerPool(SERVERS, placement="perl")

        assert servers.ranked(key, 0.0, b"f")[0] == SERVERS[hashed % 4]
        assert servers.ranked(key, 0.0, b"g") == servers.ranked(key, 0.0, b"f")

    def test_go_to_the_next_in_the_list_while_theirs_is_down(self) -> None:
        servers = ServerPool(SERVERS, placement="perl", backoff=Backoff(first=1.0, jitter=0.0))
        first, second, *_ = servers.ranked(b"a", 0.0)
        servers.failed(first, 0.0, "down")

        assert SERVERS.index(second) == (SERVERS.index(first) + 1) % 4
        assert servers.ranked(b"a", 0.5)[0] == second
        assert servers.ranked(b"a", 1.0)[0] == first


class TestFailures:
    def test_send_a_server_to_the_end_for_a_while(self) -> None:
        servers = a_pool()
        servers.failed(A, 10.0, "down")

        assert servers.ranked(b"", 10.9) == [B, C, D, A]
        assert servers.ranked(b"", 11.0) == SERVERS

    def test_in_a_row_rest_longer(self) -> None:
        servers = a_pool([A, B])
        for now, back in [(0.0, 1.0), (1.0, 3.0), (3.0, 7.0), (7.0, 15.0), (15.0, 23.0)]:
            servers.failed(A, now, "down")

            assert servers.ranked(b"", back - 0.1) == [B, A]
            assert servers.ranked(b"", back) == [A, B]

    def test_are_forgotten_once_the_server_was_of_use(self) -> None:
        servers = a_pool([A, B])
        servers.failed(A, 0.0, "down")
        servers.failed(A, 1.0, "down")
        servers.answered(A)
        servers.failed(A, 3.0, "down")

        assert servers.ranked(b"", 4.0) == [A, B]

    def test_are_not_made_up_for_by_accepting_a_connection(self) -> None:
        servers = a_pool([A, B])
        servers.failed(A, 0.0, "down")
        servers.reached(A)
        assert servers.ranked(b"", 0.1) == [A, B]

        servers.failed(A, 0.1, "down")
        assert servers.ranked(b"", 2.0) == [B, A]

    def test_of_all_leave_the_one_that_is_back_first_in_front(self) -> None:
        servers = a_pool([A, B])
        servers.failed(A, 0.5, "down")
        servers.failed(B, 0.0, "down")

        assert servers.ranked(b"", 0.6) == [B, A]

    def test_of_the_only_server_change_nothing(self) -> None:
        servers = a_pool([A])
        servers.failed(A, 0.0, "down")

        assert servers.ranked(b"k", 0.0) == [A]


class TestChances:
    def test_a_job_that_no_server_took_goes_round_once_and_one_more(self) -> None:
        budget = RetryBudget(servers=2)

        assert [budget.after_loss(taken=False) for _ in range(3)] == [True, True, False]

    def test_a_job_that_was_taken_is_not_sent_again(self) -> None:
        budget = RetryBudget(servers=2)

        assert not budget.after_taken
        assert not budget.after_loss(taken=True)

    def test_each_retry_allows_another_run(self) -> None:
        budget = RetryBudget(servers=1, retries=2)

        assert budget.after_taken
        assert budget.after_loss(taken=True)
        assert budget.after_loss(taken=False)
        assert budget.after_loss(taken=True)
        assert not budget.after_taken
        assert not budget.after_loss(taken=True)
