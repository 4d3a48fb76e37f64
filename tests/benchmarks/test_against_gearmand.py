# SPDX-License-Identifier: MIT
"""The benchmark measures, and notices a server that is wrong. How fast anything is, is not for tests to say."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.against_gearmand import OURS, WORKLOADS, Comparison, Run, table

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "against_gearmand.py"

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="the load generator needs a C compiler")

# Answers each echo, and each job in its own way.
WRONG_SERVER = """
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            at = data.find(b"\\0REQ\\0\\0\\0\\x10")
            if at >= 0:
                self.request.sendall(b"\\0RES\\0\\0\\0\\x11" + data[at + 8:at + 23])
            {answer}
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
"""


def run_benchmark(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)


@needs_compiler
def test_every_workload_is_measured(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"

    done = run_benchmark("--rounds=1", "--jobs=200", f"--theirs={OURS}", f"--json={figures}")

    assert done.returncode == 0, done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines()[2 : 2 + len(WORKLOADS)]]
    assert rows == list(WORKLOADS)
    measured = json.loads(figures.read_text())
    assert list(measured) == list(WORKLOADS)
    for name, figure in measured.items():
        assert figure["ratio"] > 0
        for side in ("ours", "theirs"):
            [run] = figure[side]
            assert run["rate"] > 0
            assert (run["p50_us"] is not None) == (name in {"roundtrip", "herd"})


@needs_compiler
@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (r'b"\0\0\0\x07" in data and self.request.sendall(b"\0RES\0\0\0\x0d\0\0\0\x03a\0b")', "somebody else's job"),
        (r'b"\0\0\0\x07" in data and self.request.sendall(b"\0RES\0\0\0\x08\0\0\0\x01a" * 2)', "the same answer twice"),
        (r'b"\0\0\0\x07" in data and self.request.sendall(b"\0RES\0\0\0\x13\0\0\0\x03a\0b")', "ERROR a: b"),
        (r'b"\0\0\0\x07" in data and self.request.close()', "closed a connection"),
    ],
)
def test_a_wrong_server_is_found_out(tmp_path: Path, answer: str, complaint: str) -> None:
    server = tmp_path / "server.py"
    server.write_text(WRONG_SERVER.replace("{answer}", answer))

    done = run_benchmark("roundtrip", f"--ours={sys.executable} {server} {{port}}", f"--theirs={OURS}")

    assert done.returncode == 2
    assert "roundtrip, ours: " in done.stderr
    assert complaint in done.stderr


def test_a_server_that_is_not_there_is_named() -> None:
    done = run_benchmark("--theirs=/nowhere/gearmand -p {port}")

    assert done.returncode == 2
    assert "there is no /nowhere/gearmand to measure" in done.stderr
    assert "apt-get install gearman-job-server" in done.stderr


def test_an_unknown_workload_is_named() -> None:
    done = run_benchmark("sideways")

    assert done.returncode == 2
    assert "not sideways" in done.stderr


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    """Each ratio is taken within a round, where the machine was the same for both."""
    ours = [Run(rate=rate, cpu_us=5, rss_mib=20) for rate in (900.0, 2000.0, 3000.0)]
    theirs = [Run(rate=rate, cpu_us=10, rss_mib=20) for rate in (1000.0, 1000.0, 1000.0)]

    comparison = Comparison("drain", ours, theirs)

    assert comparison.ratio == 2.0
    assert comparison.cpu_ratio == 2.0
    assert comparison.misses_floor
    assert "2.00 (0.90-3.00)" in table([comparison])
