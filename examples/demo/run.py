# SPDX-License-Identifier: MIT
"""`make demo`: a job server, three workers and their clients, all on this machine, with real work on real files.

It starts everything on a free port and in a temporary folder, and ends all of it again.
"""

import contextlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from geartrain import AdminClient, Client, Progress

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
COMMANDS = Path(sysconfig.get_path("scripts"))
PATIENCE = 20.0  # seconds until something that takes milliseconds is given up


def main() -> None:
    began = time.monotonic()
    print("Geartrain: a job server, three workers and a few clients on this machine.")
    with tempfile.TemporaryDirectory(prefix="geartrain-demo-") as folder, contextlib.ExitStack() as running:
        title("A job server, on a port that is free")
        address = running.enter_context(server(Path(folder)))

        title("Three workers: a shell command, and two Python programs")
        environment = os.environ | {"GEARMAN_SERVERS": address, "GEARMAN_SERVER": address}
        for program in (HERE / "reverse.py", HERE / "digest.py"):
            running.enter_context(process([sys.executable, program], environment))
        running.enter_context(process([COMMANDS / "gearman", "-w", "-f", "wc", "--", "wc", "-l"], environment))
        wait_for_workers(address, {"wc", "reverse", "digest"})

        title("Jobs from the shell")
        show("gearman -f wc < /etc/passwd", environment)
        show("gearman -f reverse 'Hello World!'", environment)

        title("Jobs from Python")
        with Client(address) as client:
            count_lines(client)
            follow_a_long_job(client)
            leave_work_behind(client)

        title("What the server says of it")
        show(f"gearadmin --server {address} --status", environment, header="FUNCTION\tJOBS\tRUNNING\tWORKERS")
        show(f"gearadmin --server {address} --workers", environment)

        title("The end")
    print(f"   Everything has stopped, and nothing is left behind. That took {time.monotonic() - began:.1f} s.")


def count_lines(client: Client) -> None:
    """Let the shell worker count the lines of this project, many jobs at a time."""
    sources = sorted((PROJECT / "src").rglob("*.py"))
    began = time.monotonic()
    lines = sum(int(count) for count in client.map("wc", (path.read_bytes() for path in sources)))
    took = time.monotonic() - began
    print(
        f'   client.map("wc", …) over the {len(sources)} source files of this project: {lines:,} lines in {took:.2f} s'
    )


def follow_a_long_job(client: Client) -> None:
    """Show the progress that a worker reports: as a bar on a terminal, else now and then."""
    is_terminal = sys.stdout.isatty()
    job = client.submit("digest", str(PROJECT / "src"))
    tenths = 0
    for event in job:
        if isinstance(event, Progress) and (is_terminal or int(10 * event.fraction) > tenths + 2):
            tenths = int(10 * event.fraction)
            bar = "#" * round(30 * event.fraction)
            line = f"   digest [{bar:<30}] {event.numerator} of {event.denominator}"
            print(f"\r{line}" if is_terminal else line, end="" if is_terminal else "\n", flush=True)
    if is_terminal:
        print()
    print(f'   client.submit("digest", …) with progress: {job.result().decode()}')


def leave_work_behind(client: Client) -> None:
    """Put jobs in the queue that nobody waits for: there is no worker for them yet."""
    handles = [client.submit_background("resize", f"picture {number}.jpg") for number in range(1, 4)]
    print(f'   client.submit_background("resize", …) three times: {", ".join(str(handle) for handle in handles)}')


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run the command ``gearmand`` on a port that the system chooses; give its address."""
    log = folder / "gearmand.log"
    command: list[str | Path] = [COMMANDS / "gearmand", "--port=0", "--listen=127.0.0.1", f"--log-file={log}"]
    with process(command, dict(os.environ)):
        port = until(lambda: port_in(log), "the server to listen")
        print(f"   It listens on 127.0.0.1:{port}.")
        yield f"127.0.0.1:{port}"


def port_in(log: Path) -> str:
    """Return the port that a log speaks of, or nothing."""
    lines = log.read_text().splitlines() if log.exists() else []
    spoken = [line.partition("Listening on 127.0.0.1:")[2] for line in lines]
    return next((rest.split()[0] for rest in spoken if rest), "")


@contextlib.contextmanager
def process(command: Sequence[str | Path], environment: dict[str, str]) -> Iterator[None]:
    """Run a program for the length of a block."""
    words = [word.name if isinstance(word, Path) else word for word in command]
    print("   $ " + " ".join("python" if word == sys.executable else word for word in words))
    started = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        started.terminate()
        started.wait(PATIENCE)


def wait_for_workers(address: str, functions: set[str]) -> None:
    """Return when each function has a worker."""
    with AdminClient(address) as admin:
        until(lambda: functions <= {row.function for row in admin.status() if row.workers}, "the workers to arrive")


def until(condition: Callable[[], str | bool], what: str) -> str | bool:
    """Return the first true answer."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up waiting for {what}")
        time.sleep(0.02)
    return answer


def show(command: str, environment: dict[str, str], *, header: str = "") -> None:
    """Run a line of shell, as one would type it, and show what it prints; a table of tabs under its header."""
    print(f"   $ {command}")
    path = f"{COMMANDS}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], env=environment | {"PATH": path}, check=True, capture_output=True, text=True
    )
    for line in [header, *done.stdout.splitlines()] if header else done.stdout.splitlines():
        print(f"     {line.expandtabs(12)}")


def title(text: str) -> None:
    print(f"\n{text}")


if __name__ == "__main__":
    main()
