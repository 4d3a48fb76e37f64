# SPDX-License-Identifier: MIT
"""`make demo`: a job server, three workers and a few clients that process real files on this machine.

Everything runs on a free port and in a temporary folder, and is stopped at the end.
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
TIMEOUT = 20.0  # seconds, for steps that usually take milliseconds


def main() -> None:
    began = time.monotonic()
    print("Geartrain: a job server, three workers and a few clients on this machine.")
    with tempfile.TemporaryDirectory(prefix="geartrain-demo-") as folder, contextlib.ExitStack() as running:
        title("A job server on a free port")
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
            submit_background_jobs(client)

        title("The status of the server")
        show(f"gearadmin --server {address} --status", environment, header="FUNCTION\tJOBS\tRUNNING\tWORKERS")
        show(f"gearadmin --server {address} --workers", environment)

        title("The end")
    print(f"   All programs have stopped, and all files are removed. This took {time.monotonic() - began:.1f} s.")


def count_lines(client: Client) -> None:
    """Count the lines of this project with the shell worker, many jobs at a time."""
    sources = sorted((PROJECT / "src").rglob("*.py"))
    began = time.monotonic()
    lines = sum(int(count) for count in client.map("wc", (path.read_bytes() for path in sources)))
    took = time.monotonic() - began
    print(
        f'   client.map("wc", …) over the {len(sources)} source files of this project: {lines:,} lines in {took:.2f} s'
    )


def follow_a_long_job(client: Client) -> None:
    """Show the progress of a job: as a bar on a terminal, otherwise as a few lines."""
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


def submit_background_jobs(client: Client) -> None:
    """Submit background jobs for a function that has no worker yet."""
    handles = [client.submit_background("resize", f"picture {number}.jpg") for number in range(1, 4)]
    print(f'   client.submit_background("resize", …) three times: {", ".join(str(handle) for handle in handles)}')


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run the command ``gearmand`` on a port that the system chooses, and yield its address."""
    log = folder / "gearmand.log"
    command: list[str | Path] = [COMMANDS / "gearmand", "--port=0", "--listen=127.0.0.1", f"--log-file={log}"]
    with process(command, dict(os.environ)):
        port = until(lambda: port_in(log), "the server to listen")
        print(f"   It listens on 127.0.0.1:{port}.")
        yield f"127.0.0.1:{port}"


def port_in(log: Path) -> str:
    """Return the port in the log of a server, or an empty text."""
    lines = log.read_text().splitlines() if log.exists() else []
    spoken = [line.partition("Listening on 127.0.0.1:")[2] for line in lines]
    return next((rest.split()[0] for rest in spoken if rest), "")


@contextlib.contextmanager
def process(command: Sequence[str | Path], environment: dict[str, str]) -> Iterator[None]:
    """Run a program during a ``with`` block."""
    words = [word.name if isinstance(word, Path) else word for word in command]
    print("   $ " + " ".join("python" if word == sys.executable else word for word in words))
    started = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        started.terminate()
        started.wait(TIMEOUT)


def wait_for_workers(address: str, functions: set[str]) -> None:
    """Wait until each function has a worker."""
    with AdminClient(address) as admin:
        until(lambda: functions <= {row.function for row in admin.status() if row.workers}, "the workers to connect")


def until(condition: Callable[[], str | bool], what: str) -> str | bool:
    """Call a function until its result is true, and return the result."""
    deadline = time.monotonic() + TIMEOUT
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up waiting for {what}")
        time.sleep(0.02)
    return answer


def show(command: str, environment: dict[str, str], *, header: str = "") -> None:
    """Run a shell command and print its output; ``header`` has the column titles of a table."""
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
