# SPDX-License-Identifier: MIT
"""Options from every source: parsing, precedence and errors."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from geartrain.core import Durability, PriorityScope
from geartrain.server.config.kinds import OptionError
from geartrain.server.config.sources import Invocation, read
from geartrain.server.durability.queues import QUEUES
from geartrain.server.levels import Level
from geartrain.server.listen.endpoints import Endpoint
from geartrain.server.listen.tls import Verify
from geartrain.server.options import OPTIONS, GearmandOptions
from geartrain.server.process.logs import LogFormat
from geartrain.storage import open_store


def invocation(*words: str, environment: Mapping[str, str] | None = None) -> Invocation:
    """Read options without the files of this machine."""
    return read(words, environment or {}, default_files=())


def options(*words: str, **environment: str) -> GearmandOptions:
    return invocation(*words, environment=environment).options


def error(*words: str, **environment: str) -> str:
    with pytest.raises(OptionError) as caught:
        invocation(*words, environment=environment)
    return str(caught.value)


@pytest.mark.parametrize(
    ("words", "attribute", "value"),
    [
        ("--port=4731", "port", 4731),
        ("--port 4731", "port", 4731),
        ("-p 4731", "port", 4731),
        ("-p4731", "port", 4731),
        ("-p http", "port", 80),
        ("-p 0", "port", 0),
        ("-L a -L unix:/s", "listen", (Endpoint("a"), Endpoint(path="/s"))),
        ("-b 7", "backlog", 7),
        ("--keepalive-idle=-1", "keepalive_idle", -1),
        ("--keepalive-idle -1", "keepalive_idle", -1),
        ("--user-timeout 2.5", "user_timeout", 2.5),
        ("--max-packet-size 16M", "max_packet_size", 16 << 20),
        ("--max-packet-size 512", "max_packet_size", 512),
        ("--ssl", "ssl", True),
        ("--ssl-verify Required", "ssl_verify", Verify.REQUIRED),
        ("-j 3", "job_retries", 3),
        ("-j -1", "job_retries", -1),
        ("-j-1", "job_retries", -1),
        ("--job-handle-prefix=H:me", "job_handle_prefix", "H:me"),
        ("-w 0", "worker_wakeup", 0),
        ("-R", "round_robin", True),
        ("--priority-scope=function", "priority_scope", PriorityScope.FUNCTION),
        ("--verbose=INFO", "verbose", Level.INFO),
        ("--verbose warning", "verbose", Level.WARNING),
        ("-v", "verbose", Level.NOTICE),
        ("-vv", "verbose", Level.INFO),
        ("-v -v -v", "verbose", Level.DEBUG),
        ("-vvvvv", "verbose", Level.DEBUG),
        ("-dvv", "verbose", Level.INFO),
        ("-vdR", "round_robin", True),
        ("-Rp4731", "port", 4731),
        ("-l none", "log_file", "none"),
        ("--log-format=json", "log_format", LogFormat.JSON),
        ("-d", "daemon", True),
        ("-P /x", "pid_file", "/x"),
        ("-u root", "user", "root"),
        ("-f 100", "file_descriptors", 100),
        ("-q BuiltIn", "queue_type", "builtin"),
        ("-t 0", "threads", 0),
        ("--hashtable-buckets=17", "hashtable_buckets", 17),
    ],
)
def test_an_option_is_parsed(words: str, attribute: str, value: object) -> None:
    assert getattr(options(*words.split()), attribute) == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--x", "unknown option '--x'"),
        ("-Z", "unknown option '-Z'"),
        ("-dZ", "unknown option '-Z' in '-dZ'"),
        ("stroe", "'stroe' is not an option; did you mean 'store'?"),
        ("4731", "'4731' is not an option; an option begins with a dash, as in --port 4731"),
        ("--", "unknown option '--'"),
        ("--verbos=INFO", "unknown option '--verbos'; did you mean '--verbose'?"),
        ("--verbose", "the required argument for option '--verbose' is missing"),
        ("--verbose --daemon", "the required argument for option '--verbose' is missing"),
        ("-t", "the required argument for option '--threads' is missing"),
        ("-t -d", "the required argument for option '--threads' is missing"),
        ("--daemon=1", "option '--daemon' does not take any arguments"),
        ("--pid-file=a --pid-file=b", "option '--pid-file' cannot be specified more than once"),
        ("-dd", "option '--daemon' cannot be specified more than once"),
        ("-v --verbose=INFO", "option '--verbose' cannot be specified more than once"),
        ("--verbose=LOUD", "Invalid value for --verbose supplied"),
        ("--hashtable-buckets=0", "hashtable-buckets has to be greater than 0"),
        ("-u no-such-user", "Could not find user : no-such-user"),
        ("-r gopher", "Unknown protocol module : gopher"),
        ("-q cassette", "Error while initializing the queue : cassette"),
        ("-r http", "the protocol module 'http' is not available in this version"),
        ("-q libsqlite3", "-q libsqlite3 needs --libsqlite3-db FILE"),
        (
            "-q libmemcached",
            "-q libmemcached needs --libmemcached-servers HOST:PORT",
        ),
        ("-q libdrizzle", "the queue 'libdrizzle' is not available; the queues are " + ", ".join(QUEUES)),
        (
            "--libtokyocabinet-file=/x",
            "option '--libtokyocabinet-file' is for 'libtokyocabinet', which is not available in this version",
        ),
        ("--threads=abc", "the argument ('abc') for option '--threads' is invalid: expected a number from 0 up"),
        ("-j 256", "the argument ('256') for option '--job-retries' is invalid: expected a number from -1 to 255"),
        ("-j ²", "the argument ('²') for option '--job-retries' is invalid: expected a number from -1 to 255"),
        (
            "-p 65536",
            "the argument ('65536') for option '--port' is invalid: expected a number up to 65535",
        ),
        (
            "--ssl-verify=x",
            "the argument ('x') for option '--ssl-verify' is invalid: expected one of none, optional, required",
        ),
        (
            "-L [::1",
            "the argument ('[::1') for option '--listen' is invalid: expected an IPv6 address such as [::1]:4730",
        ),
        (
            "--job-handle-prefix=a\tb",
            "the argument ('a\tb') for option '--job-handle-prefix' is invalid: expected 1 to 52",
        ),
        (
            "--user-timeout=-1",
            "the argument ('-1') for option '--user-timeout' is invalid: expected a number of seconds",
        ),
        (
            "--max-packet-size=0",
            "the argument ('0') for option '--max-packet-size' is invalid: expected a number of bytes",
        ),
        ("--log-file=", "the argument ('') for option '--log-file' is invalid: expected a non-empty text"),
    ],
)
def test_a_wrong_option_is_named(words: str, message: str) -> None:
    assert error(*words.split(" ")).startswith(message)


def test_a_handle_prefix_leaves_room_for_the_number() -> None:
    assert options("--job-handle-prefix=" + "p" * 52).job_handle_prefix == "p" * 52
    assert "is invalid" in error("--job-handle-prefix=" + "p" * 53)


@pytest.mark.parametrize(
    ("word", "command"), [("-h", "help"), ("--version", "version"), ("--check-args", "check-args")]
)
def test_some_options_are_commands(word: str, command: str) -> None:
    assert invocation(word).command == command


def test_every_option_has_a_variable() -> None:
    assert OPTIONS["pid-file"].variables == ("GEARMAND_PID_FILE",)
    assert options(GEARMAND_PORT="4731").port == 4731
    assert options(GEARMAND_DAEMON="yes").daemon
    assert not options(GEARMAND_DAEMON="0").daemon
    assert options(GEARMAND_LISTEN="a, [::1]:2").listen == (Endpoint("a"), Endpoint("::1", 2))
    assert options(GEARMAND_PORT="").port == 4730


def test_the_files_of_tls_have_the_variables_of_gearmand() -> None:
    found = options(GEARMAND_CA_CERTIFICATE="ca", GEARMAND_SERVER_PEM="pem", GEARMAND_SERVER_KEY="key")

    assert (found.ssl_ca_file, found.ssl_certificate, found.ssl_key) == ("ca", "pem", "key")


def test_a_wrong_variable_is_named() -> None:
    assert error(GEARMAND_PORT="x").startswith("GEARMAND_PORT: the argument ('x') for option '--port' is invalid")
    assert error(GEARMAND_DAEMON="maybe").endswith("yes or no")


def test_of_two_variables_of_an_option_the_one_with_its_name_wins() -> None:
    found = options(GEARMAND_SSL_KEY="/a", GEARMAND_SERVER_KEY="/b")

    assert found.ssl_key == "/a"
    assert options(GEARMAND_SERVER_KEY="/b").ssl_key == "/b"


def test_a_variable_with_the_url_of_a_service_is_no_port() -> None:
    found = invocation(environment={"GEARMAND_PORT": "tcp://10.0.0.1:4731"})

    assert found.options.port == 4730
    assert "GEARMAND_PORT=tcp://10.0.0.1:4731" in found.warnings[0]


def test_an_unknown_variable_is_named_with_the_one_that_may_be_meant() -> None:
    found = invocation(environment={"GEARMAND_PROT": "1", "GEARMAND_XYZZY": "1", "GEARMAN_SERVERS": "a"})

    assert found.warnings == [
        "ignored GEARMAND_PROT: no option has this variable; did you mean 'GEARMAND_PORT'?",
        "ignored GEARMAND_XYZZY: no option has this variable",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "GEARMAND_SERVICE_HOST",
        "GEARMAND_SERVICE_PORT_GEARMAN",
        "GEARMAND_PORT_4730_TCP_ADDR",
        "GEARMAND_NAME",
        "GEARMAND_CONFIG_FILE",
        "GEARMAND_SERVER_PEM",
    ],
)
def test_a_variable_of_a_container_or_an_option_is_no_unknown_one(name: str) -> None:
    assert invocation(environment={name: "/dev/null"}).warnings == []


def test_the_command_line_wins_over_variables_and_they_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.conf"
    file.write_text("--port=1 --backlog=1 --threads=1")

    found = options("--port=3", f"--config-file={file}", GEARMAND_PORT="2", GEARMAND_BACKLOG="2")

    assert (found.port, found.backlog, found.threads, found.worker_wakeup) == (3, 2, 1, 1)


def test_a_file_in_the_format_of_gearmand_has_command_line_words(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.conf"
    file.write_text("# --port=1\n--verbose=INFO -t 2\n\t-L\n127.0.0.1\t-L ::1 # -R\n\n-vv")

    with pytest.raises(OptionError, match=r"gearmand.conf: line 6: option '--verbose' cannot be specified more than"):
        options(f"--config-file={file}")
    file.write_text(file.read_text().replace("-vv", "-d"))
    found = options("--config-file", str(file))

    assert found.listen == (Endpoint("127.0.0.1"), Endpoint("::1"))
    assert (found.port, found.verbose, found.threads, found.daemon) == (4730, Level.INFO, 2, True)


def test_words_in_a_file_that_are_no_options_are_ignored_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.conf"
    file.write_text("port=4731\n--threads=2")

    found = invocation(f"--config-file={file}")

    assert found.options.port == 4730
    assert found.warnings == [f"{file}: ignored 'port=4731', which is not an option; write: --port=4731"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\n--x", "line 3: unknown option '--x'"),
        ("-t\nabc", "line 2: the argument ('abc') for option '--threads' is invalid: expected a number from 0 up"),
        ("-d\n-t", "line 2: the required argument for option '--threads' is missing"),
        ("--config-file=x", "line 1: unknown option '--config-file'"),
        ("--help", "line 1: unknown option '--help'"),
    ],
)
def test_an_error_in_a_file_of_words_has_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "gearmand.conf"
    file.write_text(text)

    assert error(f"--config-file={file}").startswith(f"{file}: {message}")


def test_a_toml_file_has_the_long_options_as_keys(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.toml"
    file.write_text(
        'port = "http"\nlisten = ["127.0.0.1", "unix:/s"]\njob-retries = 3\nworker_wakeup = 0\n'
        'daemon = true\nuser-timeout = 5\nrearm-after = 0.5\nverbose = "info"\nmax-packet-size = "1G"\n'
    )

    found = options(f"--config-file={file}")

    assert found == GearmandOptions(
        port=80,
        listen=(Endpoint("127.0.0.1"), Endpoint(path="/s")),
        job_retries=3,
        worker_wakeup=0,
        daemon=True,
        user_timeout=5.0,
        rearm_after=0.5,
        verbose=Level.INFO,
        max_packet_size=1 << 30,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown option 'prot'; did you mean 'port'?"),
        ("--port = 1", "in a TOML file, '--port' has no leading dashes: 'port'"),
        ("daemon = 1", "option 'daemon' is true or false, not 1"),
        ("daemon = 'Yes'", "option 'daemon' is true or false, not 'Yes'; write: daemon = true"),
        ("daemon = 'x'", "option 'daemon' is true or false, not 'x'"),
        ("job-retries = true", "option 'job-retries' is a whole number, not true"),
        ('job-retries = "1"', "option 'job-retries' is a whole number, not '1'; leave out the quotes: job-retries = 1"),
        ('job-retries = "many"', "option 'job-retries' is a whole number, not 'many'"),
        (
            "user-timeout = '1.5'",
            "option 'user-timeout' is a whole number or a number, not '1.5'; leave out the",
        ),
        (
            "[server]\nport = 1",
            "this file has no table [server]; delete the line [server], and write all options above the first",
        ),
        ("[port]\nx = 1", "option 'port' is a whole number or a string, not a table; delete the line [port], and"),
        ("port = 1.5", "option 'port' is a whole number or a string, not 1.5"),
        ("port = [1]", "option 'port' is a whole number or a string, not [1]"),
        ("listen = [1]", "option 'listen' is a string or a list of such values, not 1"),
        ("listen = 5", "option 'listen' is a string or a list of such values, not 5"),
        ("config-file = 'x'", "option 'config-file' is only for the command line and the environment"),
        ("job-retries = 300", "the argument ('300') for option '--job-retries' is invalid"),
        ("pid-file = 'a'\npid_file = 'b'", "option 'pid_file' cannot be specified more than once"),
        ("http-port = 'x'", "option 'http-port' is for 'http', which is not available in this version"),
    ],
)
def test_an_error_in_a_toml_file_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "gearmand.toml"
    file.write_text(text)

    assert error(f"--config-file={file}").startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    ("line", "column", "hint"),
    [
        ("port = ", 8, None),
        ("store = sqlite:///jobs.db", 9, 'a text has quotes: store = "sqlite:///jobs.db"'),
        ("max-memory = 100M # bytes", 17, 'a text has quotes: max-memory = "100M"'),
        ("daemon = yes", 10, "write: daemon = true"),
        ("daemon = False", 10, "write: daemon = false"),
        ("port: 4731", 5, "an equals sign stands between an option and its value, as in: port = 4731"),
        ("port 4731", 6, "an equals sign stands between an option and its value, as in: port = 4731"),
        ("--port 4731", None, "a file in TOML has lines like: port = 4731. A file of command-line words has a name "),
    ],
)
def test_an_error_of_syntax_shows_the_line_and_what_it_may_mean(
    tmp_path: Path, line: str, column: int | None, hint: str | None
) -> None:
    file = tmp_path / "gearmand.toml"
    file.write_text(f"# options\n{line}\n")

    first, *rest = error(f"--config-file={file}").splitlines()

    assert first.startswith(f"{file}: line 2: ")
    assert rest[0] == f"    {line}"
    if column is not None:
        assert rest[1] == f"    {' ' * (column - 1)}^"
    assert [text for text in rest[2:] if hint is None or not text.startswith(hint)] == []
    assert len(rest) == (2 if hint is None else 3)


def test_an_option_that_a_toml_file_sets_twice_is_named(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.toml"
    file.write_text("port = 4731\nport = 4732\n")

    assert error(f"--config-file={file}").splitlines()[1:] == [
        "    port = 4732",
        "               ^",
        "port is set twice: delete one of the lines",
    ]


def test_an_error_of_syntax_at_the_end_is_that_of_the_parser(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.toml"
    file.write_text('listen = ["a",')

    assert error(f"--config-file={file}").startswith(f"{file}: ")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    assert error(f"--config-file={missing}") == (
        f"Could not open configuration file. {missing}: No such file or directory"
    )
    assert error(GEARMAND_CONFIG_FILE=str(missing)).startswith("Could not open configuration file.")


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.conf"
    file.write_bytes(b"\xff\xfe")

    assert error(f"--config-file={file}").endswith("it is not UTF-8")


def test_the_file_named_in_words_wins_over_the_one_in_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "gearmand.conf"
    file.write_text("-p 1")

    assert options(f"--config-file={file}", GEARMAND_CONFIG_FILE=str(tmp_path / "missing")).port == 1


def test_the_first_default_file_that_exists_is_read(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first.toml", "second.conf", "third.conf"))
    second.write_text("-p 2")
    third.write_text("-p 3")

    assert read((), {}, [str(path) for path in (first, second, third)]).options.port == 2
    assert read((), {}, [str(first)]).options.port == 4730


def test_files_for_tls_without_tls_are_warned_of() -> None:
    assert invocation("--ssl-certificate=x").warnings
    assert not invocation("--ssl", "--ssl-certificate=x").warnings
    assert not invocation(environment={"GEARMAND_CA_CERTIFICATE": "x"}).warnings  # the clients' tools read it too


@pytest.mark.parametrize(
    ("words", "store"),
    [
        ("", None),
        ("-q builtin", "none"),
        ("-q libsqlite3 --libsqlite3-db /var/lib/a?b.db", "sqlite:/var/lib/a%3Fb.db"),
        ("-q postgres --libpq-conninfo host=/run", "postgresql:host%3D/run"),
        ("-q postgres --libpq-conninfo postgresql://u@h/d", "postgresql://u@h/d"),
        ("-q mysql --mysql-host h --mysql-user u --mysql-password p/w --mysql-db d", "mysql://u:p%2Fw@h:3306/d"),
        ("-q mysql", "mysql://localhost:3306/gearman"),
        ("-q libmemcached --libmemcached-servers h:1", "memcached://h:1?prefix=gear_"),
        ("-q redis --redis-password x", "redis://:x@127.0.0.1:6379?prefix=_gear_"),
        ("-q libmemcached --libmemcached-servers h:1,i:2", "memcached://h:1?prefix=gear_"),
    ],
)
def test_queues_of_gearmand_are_stores(words: str, store: str | None) -> None:
    assert read(words.split(), {}, []).options.store == store
    if store is not None and store != "none":
        assert repr(open_store(store))


def test_storing_at_shutdown_has_two_names() -> None:
    assert read(["--store-queue-on-shutdown"], {}, []).options.durability is Durability.SHUTDOWN


def test_of_several_memcached_servers_the_first_is_used_with_a_warning() -> None:
    found = read(["-q", "libmemcached", "--libmemcached-servers", "a:1,b:2,c:3"], {}, [])

    assert found.warnings == ["jobs are kept in the first of --libmemcached-servers, a:1, and not in b:2,c:3"]


class TestAliases:
    """Options of gearmand that set one of ours: ``-q`` and ``--store-queue-on-shutdown``."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "gearmand.toml"

    def test_on_the_command_line_win_over_the_variable_of_the_option(self) -> None:
        assert options("-q", "builtin", GEARMAND_STORE="sqlite:/a").store == "none"
        found = options("--store-queue-on-shutdown", GEARMAND_DURABILITY="relaxed")
        assert found.durability is Durability.SHUTDOWN

    def test_in_a_variable_win_over_the_option_in_the_file(self, file: Path) -> None:
        file.write_text("store = 'sqlite:/a'\ndurability = 'relaxed'\n")

        found = options(f"--config-file={file}", GEARMAND_QUEUE_TYPE="builtin", GEARMAND_STORE_QUEUE_ON_SHUTDOWN="yes")

        assert (found.store, found.durability) == ("none", Durability.SHUTDOWN)

    def test_lose_to_the_option_from_a_stronger_source(self, file: Path) -> None:
        file.write_text("queue-type = 'libsqlite3'\nlibsqlite3-db = '/b'\nstore-queue-on-shutdown = true\n")

        found = options(f"--config-file={file}", GEARMAND_STORE="sqlite:/a", GEARMAND_DURABILITY="relaxed")

        assert (found.store, found.durability) == ("sqlite:/a", Durability.RELAXED)

    def test_read_the_options_that_they_need_from_every_source(self, file: Path) -> None:
        file.write_text("libsqlite3-db = '/b'\nstore = 'sqlite:/a'\n")

        assert options(f"--config-file={file}", "-q", "libsqlite3").store == "sqlite:/b"

    def test_beside_their_option_in_one_source_are_an_error(self, file: Path) -> None:
        same = "which set the same option; leave one out"
        assert error("-q", "builtin", "--store=none") == f"the command line has --queue-type and --store, {same}"
        found = error(GEARMAND_QUEUE_TYPE="builtin", GEARMAND_STORE="none")
        assert found == f"the environment has --queue-type and --store, {same}"
        file.write_text("store-queue-on-shutdown = true\ndurability = 'relaxed'\n")
        assert error(f"--config-file={file}") == f"{file} has --store-queue-on-shutdown and --durability, {same}"

    def test_that_are_off_change_nothing(self, file: Path) -> None:
        file.write_text("durability = 'relaxed'\n")

        found = options(f"--config-file={file}", GEARMAND_STORE_QUEUE_ON_SHUTDOWN="no")

        assert found.durability is Durability.RELAXED

    def test_name_options_that_exist(self) -> None:
        aliases = {option.name: option.alias_of for option in OPTIONS.values() if option.alias_of}

        assert aliases == {"queue-type": "store", "store-queue-on-shutdown": "durability"}
        assert set(aliases.values()) <= set(OPTIONS)
