# SPDX-License-Identifier: MIT
"""The command line of gearman, and its servers."""

import pytest

from geartrain.cli.gearman_options import read_options, servers_of
from geartrain.cli.murmurhash3 import unique_of
from geartrain.cli.options import UsageError
from geartrain.cli.servers import UnknownServer, client_tls
from geartrain.records import Priority


def test_options_may_follow_words() -> None:
    options = read_options(["-f", "a", "word", "-P", "-fb", "-n", "--", "-v", "x"])

    assert options.functions == ["a", "b"]
    assert options.words == ["word", "-v", "x"]
    assert (options.prefix, options.lines, options.strip, options.verbose) == (True, True, False, False)


def test_every_option_is_parsed() -> None:
    line = "-f f -h H -p 1 -t 250 -i pid -d -S -v -b -I -N -s -u k -w -c 3 --server a --json"

    options = read_options(line.split())

    assert (options.host, options.port, options.servers) == ("H", "1", ["a"])
    assert (options.timeout, options.pid_file, options.count, options.unique) == (0.25, "pid", 3, "k")
    assert options.detach
    assert options.tls
    assert options.verbose
    assert options.background
    assert options.lines
    assert options.strip
    assert options.empty
    assert options.worker
    assert options.json


@pytest.mark.parametrize(
    ("words", "priority"), [("-I -L", Priority.LOW), ("-L -I", Priority.HIGH), ("", Priority.NORMAL)]
)
def test_the_last_priority_wins(words: str, priority: Priority) -> None:
    assert read_options(["-f", "f", *words.split()]).priority is priority


@pytest.mark.parametrize(("words", "timeout"), [("", None), ("-t -1", None), ("-t 0", 0.0), ("-w --timeout 2.5", 2.5)])
def test_a_timeout_of_zero_differs_from_none(words: str, timeout: float | None) -> None:
    assert read_options(["-f", "f", *words.split()]).timeout == timeout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "name a function with -f"),
        ("-b x", "name a function with -f"),
        ("-f", "-f needs an argument: FUNCTION"),
        ("-f f -Q", "unknown option '-Q'$"),
        ("-f f -bQ", "unknown option '-Q' in '-bQ'$"),
        ("-f f -json", "unknown option '-j' in '-json'; did you mean '--json'\\?"),
        ("-f f --tiemout 3", "unknown option '--tiemout'; did you mean '--timeout'\\?"),
        ("-f f --t", "--t may be --token-file or --timeout"),
        ("-f f --json=yes", "--json takes no argument"),
        ("-f f --server --json", "--server needs an argument: ADDRESS"),
        ("-f f -t x", "-t takes a whole number, not 'x'"),
        ("-f f -t 2147483648", "-t takes a number from -2147483647 to 2147483647, not '2147483648'"),
        ("-w -f f -c -1", "-c takes a number from 0 to 2147483647, not '-1'"),
        ("-f f --timeout -1", "--timeout takes a number of seconds, not '-1'"),
    ],
)
def test_wrong_usage_is_explained(words: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"^{reason}$"):
        read_options(words.split())


def test_help_needs_no_function() -> None:
    assert read_options(["-H"]).help
    assert read_options(["--help"]).help
    assert read_options(["--version"]).version


def test_long_names_may_be_shortened_and_their_arguments_be_in_the_next_word() -> None:
    options = read_options(["-f", "f", "--serv", "a", "--server=b", "--tok=file", "--time", "3"])

    assert (options.servers, options.token_file, options.total_timeout) == (["a", "b"], "file", 3.0)


def test_the_argument_of_a_letter_may_look_like_an_option() -> None:
    options = read_options(["-f", "-x", "-u", "-", "-t", "-1"])

    assert (options.functions, options.unique, options.timeout) == (["-x"], "-", None)


@pytest.mark.parametrize(
    ("words", "environment", "servers"),
    [
        ("", {}, "localhost:4730"),
        ("-h h -p 1", {}, "h:1"),
        ("-p http", {}, "localhost:80"),
        ("-h h", {"GEARMAN_SERVER": "a,b:1"}, "b:1 a:4730"),
        ("-h h", {"GEARMAN_SERVERS": "a,b:1"}, "h:4730 b:1 a:4730"),
        ("-h h", {"GEARMAN_SERVERS": "a", "GEARMAN_SERVER": "b"}, "b:4730 a:4730"),
        ("-h h --server x --server y:1", {"GEARMAN_SERVER": "a"}, "x:4730 y:1"),
        ("--server tls://x --server unix:/s", {}, "tls://x:4730 unix:/s"),
    ],
)
def test_servers_are_tried_in_the_order_of_libgearman(words: str, environment: dict[str, str], servers: str) -> None:
    options = read_options(["-f", "f", *words.split()])

    assert " ".join(map(str, servers_of(options, environment))) == servers


@pytest.mark.parametrize("port", ["0", "65536", "nonsense", "-1"])
def test_an_invalid_port_is_an_error(port: str) -> None:
    with pytest.raises(UnknownServer, match="port"):
        servers_of(read_options(["-f", "f", "-p", port]), {})


def test_files_for_tls_are_named_by_the_environment() -> None:
    names = {"GEARMAND_CA_CERTIFICATE": "ca", "GEARMAN_CLIENT_PEM": "pem", "GEARMAN_CLIENT_KEY": "key"}

    assert (client_tls(names).ca, client_tls(names).certificate, client_tls(names).key) == ("ca", "pem", "key")
    assert (client_tls({}).ca, client_tls({}).certificate) == (None, None)


@pytest.mark.parametrize(
    ("workload", "unique"), [(b"hello world", "2727477341"), (b"", "0"), (b"a", "2289228744"), (b"abc", "634628250")]
)
def test_the_hash_is_the_one_of_libgearman(workload: bytes, unique: str) -> None:
    assert unique_of(workload) == unique
