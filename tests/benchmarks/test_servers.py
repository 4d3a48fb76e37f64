# SPDX-License-Identifier: MIT
"""The benchmark of servers: measurements, reports and errors. The tests do not check the speed."""

import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.contenders import GEARMAND, OURS
from benchmarks.load import Run
from benchmarks.page import ROOT, read
from benchmarks.servers.__main__ import GOALS_PAGE, PAGE, PICTURES
from benchmarks.servers.results import PARTS, PUBLISHED, compared, told
from benchmarks.servers.results import goals as all_goals
from benchmarks.servers.results import read as read_results
from benchmarks.servers.table import Comparison, goals, tell

THEIRS = GEARMAND if Path(GEARMAND.split()[0]).exists() else OURS  # which takes longer to start

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="the load generator needs a C compiler")

# A server that answers each echo, and each job with a given answer.
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
    command = [sys.executable, "-m", "benchmarks.servers", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@needs_compiler
def test_every_part_is_measured_printed_and_compared(tmp_path: Path) -> None:
    figures, other = tmp_path / "figures.json", tmp_path / "other"
    other.write_text(f"#!/bin/sh\nexec {OURS.partition(' --config-file')[0]} --config-file=/dev/null --store=none $*")
    other.chmod(0o755)
    few = ["--rounds=1", "--jobs=20", f"--theirs={THEIRS}"]

    done = run_benchmark("--only=table,scale,memory,latency,day", *few, f"--json={figures}")

    assert done.returncode == 0, done.stderr
    results = read_results(figures)
    assert list(results) == list(PARTS)
    for name, result in results.items():
        assert told(name, result) in done.stdout
    for name, sides in results["table"]["figures"].items():
        for [run] in sides.values():
            assert run["rate"] > 0
            assert run["cpu_us"] > 0
            assert (run["p50_us"] is not None) == (name in {"roundtrip", "herd"})
    for costs in results["scale"]["figures"].values():
        assert len(next(iter(costs.values()))) >= 1  # the others may not survive it
        assert all(cost > 0 for points in costs.values() for _, cost in points)
    assert "| foreground, CPU us/job |" in compared(results, results)

    again = run_benchmark("roundtrip", *few, f"--against={other}", "--floor", f"--baseline={figures}")

    assert again.returncode == 0, again.stderr
    assert "| jobs/s | Geartrain | other |" in again.stdout
    assert "| jobs/s | Geartrain | floor |" in again.stdout
    assert "| roundtrip, times gearmand |" in again.stdout


def test_the_page_has_the_measured_figures() -> None:
    for name, result in read_results(PUBLISHED).items():
        assert read(PAGE, name) == told(name, result)
        assert name == "day" or (PICTURES / f"servers-{name}.svg").exists()


def test_the_page_for_contributors_shows_the_goals() -> None:
    assert read(GOALS_PAGE, "servers") == all_goals(read_results(PUBLISHED))


def test_a_picture_has_colours_for_dark_pages() -> None:
    for picture in PICTURES.glob("servers-*.svg"):
        assert "@media (prefers-color-scheme: dark)" in picture.read_text()


@needs_compiler
@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (r'b"\0\0\0\x07" in data and self.request.sendall(b"\0RES\0\0\0\x0d\0\0\0\x03a\0b")', "another client's job"),
        (r'b"\0\0\0\x07" in data and self.request.sendall(b"\0RES\0\0\0\x08\0\0\0\x01a" * 2)', "the same answer twice"),
        (r'b"\0\0\0\x07" in data and self.request.sendall(b"\0RES\0\0\0\x13\0\0\0\x03a\0b")', "ERROR a: b"),
        (r'b"\0\0\0\x07" in data and self.request.close()', "closed a connection"),
    ],
)
def test_a_wrong_answer_of_a_server_is_an_error(tmp_path: Path, answer: str, complaint: str) -> None:
    server = tmp_path / "server.py"
    server.write_text(WRONG_SERVER.replace("{answer}", answer))

    done = run_benchmark("roundtrip", f"--ours={sys.executable} {server} {{port}}", f"--theirs={OURS}")

    assert done.returncode == 2
    assert "roundtrip, Geartrain: " in done.stderr
    assert complaint in done.stderr


def test_a_missing_server_is_named() -> None:
    done = run_benchmark("--only=table", "--theirs=/nowhere/gearmand -p {port}")

    assert done.returncode == 2
    assert "there is no /nowhere/gearmand to measure" in done.stderr
    assert "apt-get install gearman-job-server" in done.stderr


def test_an_unknown_workload_is_named() -> None:
    done = run_benchmark("sideways")

    assert done.returncode == 2
    assert "not sideways" in done.stderr


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    """Each ratio is taken within a round, in which the machine was equally busy for both."""
    ours = [Run(rate=rate, cpu_us=5, rss_mib=20) for rate in (900.0, 2000.0, 3000.0)]
    theirs = [Run(rate=rate, cpu_us=10, rss_mib=20) for rate in (1000.0, 1000.0, 1000.0)]

    comparison = Comparison("background", "gearmand", ours, theirs)

    assert comparison.ratio == 2.0
    assert comparison.cpu_ratio == 2.0
    assert comparison.misses == ["jobs/s: 2.00, not 2.2", "CPU per job: 2.00, not 3.2"]
    assert Comparison("background", "gearmand -t 1", ours, theirs).misses == []
    runs = {"Geartrain": [asdict(run) for run in ours], "gearmand": [asdict(run) for run in theirs]}
    runs["gearmand -t 1"] = runs["gearmand"]
    assert "| 2.00 | 0.90-3.00 |" in tell({"background": runs})
    assert "| background | 2.00 | 2.2 | 2.00 | 3.2 |" in goals({"background": runs})
    assert "| background | 2.00 | 1.7 | 2.00 | 1.7 |" in goals({"background": runs})
