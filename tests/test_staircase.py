# SPDX-License-Identifier: MIT
"""The layers of the source: each module may import only from lower steps."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "geartrain"

# The steps, the lowest first. A part may import itself and parts on lower steps; parts on one step do not import each
# other.
STAIRCASE = [
    {"_version", "errors", "frozen", "lazy", "middleware", "wording"},
    {"protocol", "platforms"},
    {"records", "names", "cron"},
    {"transport", "codec", "jobtimes"},
    {"typed"},
    {"core", "admin"},
    {"client"},
    # Partitions submit their parts, and typed functions can be called: both need a client.
    {"reactor", "worker", "storage"},
    {"server", "python_gearman"},
    {"testing"},
    {"cli"},
    {"__main__"},
]
STEP = {part: number for number, parts in enumerate(STAIRCASE) for part in parts}

# The steps inside the server, in the same way.
SERVER = [
    {"config/kinds", "config/tomlhints", "loop", "local", "memory", "service"},
    {"config/option", "config/access"},
    {"config/compatibility", "config/environment", "config/reloadable", "core_options", "levels"},
    {"listen/endpoints", "listen/socket_options", "listen/tls", "listen/rejection", "shutdown"},
    {"process/privileges", "process/daemonize", "process/pidfile", "process/logs"},
    {"config/argv", "listen/sockets", "listen/listener", "listen/connection_limit"},
    {"process/default_paths", "process/systemd"},
    {"config/files", "durability/store"},
    {"durability/queues", "durability/committer", "durability/restore"},
    {"connections"},
    {"durability/foreign", "durability/store_service", "listen/acceptor"},
    {"options"},
    {"startlog"},
    {"server", "config/sources"},
    {"process/reload"},
]

# The steps inside the core.
CORE = [
    {"access", "clock", "deadlines", "levels", "limits", "numbers", "outbox", "outcome", "record", "shutdown", "zones"},
    {"sleepstate", "takenaway", "timers", "turns"},
    {"packing"},
    {"changes", "durable", "errorlog", "options", "recipient", "stats"},
    {"commit_queue", "cron", "policy"},
    {"state"},
    {"abilities", "running", "waiters"},
    {
        "backlog",
        "commands/handler",
        "holdings",
        "functions",
        "jobdeadlines",
        "joblog",
        "jobtable",
        "listings",
        "longruns",
        "ready",
    },
    {"fanout", "wakeups"},
    {"expiry", "lifecycle", "probes", "stalls"},
    {"dispatch", "metrics", "oversized"},
    {"memory"},
    {"departures", "retirement", "snapshot"},
    {"authorization", "schedulerunner"},
    {"commands/status", "replies"},
    {"commands/session", "commands/submit", "commands/text", "commands/work"},
    {"modes"},
    {"receiving"},
    {"jobserver"},
]

# The steps inside client and worker, each with the same modules of both shells.
CLIENT = [
    {"buffer", "cron", "deadline", "events", "serverpool", "submission"},
    {"options", "request", "session"},
    {"ticket"},
    {"batch", "inquiry", "placement", "remote"},
    {"anyclient"},
    {"aio/source", "aio/stream", "sync/stream", "aio/connection", "sync/connection"},
    {"aio/job", "sync/job", "sync/iothread"},
    {"aio/function", "sync/function", "aio/pool", "sync/pool"},
    {"aio/client", "sync/client"},
]
WORKER = [
    {"console", "forkserver", "functions", "session"},
    {"dispatcher", "options", "serverstate"},
    {"job"},
    {"arguments", "current", "partition", "run"},
    {"registry"},
    {
        "aio/connection",
        "aio/taskpool",
        "sync/mainthread",
        "sync/callqueue",
        "sync/connection",
        "sync/interruptions",
        "sync/ownership",
    },
    {"aio/connector", "sync/connector", "aio/job", "sync/job"},
    {"aio/calls", "sync/calls", "aio/function", "sync/function"},
    {"aio/partition", "sync/partition", "sync/process", "sync/threadpool"},
    {"aio/loop", "sync/loop"},
    {"aio/worker", "sync/worker"},
]

REACTOR = [{"backpressure"}, {"flusher"}, {"connection"}]

INSIDE = [
    (part, module, number)
    for part, stairs in (
        ("client", CLIENT),
        ("core", CORE),
        ("reactor", REACTOR),
        ("server", SERVER),
        ("worker", WORKER),
    )
    for number, modules in enumerate(stairs)
    for module in sorted(modules)
]

# Modules that decide do no I/O, do not wait and have no clock.
WORLD = {"asyncio", "select", "selectors", "signal", "socket", "ssl", "subprocess", "threading", "time", "uvloop"}
DECIDES = ["protocol/*.py", "core/**/*.py"]
DECIDES += [
    f"client/{name}.py" for name in ("buffer", "batch", "deadline", "events", "inquiry", "placement", "request")
]
DECIDES += [f"client/{name}.py" for name in ("remote", "serverpool", "session", "submission", "ticket")]
DECIDES += [f"worker/{name}.py" for name in ("arguments", "dispatcher", "functions", "job", "partition")]
DECIDES += [f"worker/{name}.py" for name in ("run", "serverstate", "session")]
DECIDES += ["admin/session.py", "admin/calls.py", "middleware.py", "typed/*.py"]

MODULES = sorted(SOURCE.rglob("*.py"))


def imports(module: Path) -> set[str]:
    """Return the names of all modules that a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            assert node.module is not None
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
            found.add(node.module)
    return found


def part_of(module: Path) -> str:
    return module.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(SOURCE)))
def test_imports_go_down(module: Path) -> None:
    part = part_of(module)
    if part == "__init__":
        return
    parts = {name.split(".")[1] for name in imports(module) if name.startswith("geartrain.")}

    above = {other for other in parts - {part} if STEP.get(other, -1) >= STEP[part]}

    assert not above, f"{part} is on step {STEP[part]} and cannot see {above}"


@pytest.mark.parametrize(("part", "module", "step"), INSIDE)
def test_imports_inside_a_part_go_down(part: str, module: str, step: int) -> None:
    """No module imports the package itself, which imports all of them."""
    found = imports(SOURCE / part / f"{module}.py")
    assert f"geartrain.{part}" not in found

    above = {
        other
        for other_part, other, other_step in INSIDE
        if other_part == part and other_step >= step and f"geartrain.{part}.{other.replace('/', '.')}" in found
    }

    assert not above, f"{module} is on step {step} and cannot see {above}"


@pytest.mark.parametrize("part", ["client", "core", "reactor", "server", "worker"])
def test_every_module_inside_a_part_has_its_step(part: str) -> None:
    folder = SOURCE / part
    found = {str(module.relative_to(folder).with_suffix("")) for module in folder.rglob("*.py")}

    assert {name for name in found if not name.endswith("__init__")} == {
        name for each, name, _ in INSIDE if each == part
    }


def test_there_is_no_import_circle() -> None:
    """This includes imports for type checkers, except in packages that import their public names lazily."""
    names = {".".join(module.relative_to(SOURCE.parent).with_suffix("").parts): module for module in MODULES}
    names = {name.removesuffix(".__init__"): module for name, module in names.items()}
    graph: dict[str, set[str]] = {"geartrain": set(), "geartrain.testing": set()}
    for name in names.keys() - graph:
        found = imports(names[name]) & names.keys()
        # ``from package import module`` needs the module, not the names of the package.
        graph[name] = found - {module.rpartition(".")[0] for module in found} - {name}

    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("pattern", DECIDES)
def test_modules_that_decide_do_no_io(pattern: str) -> None:
    modules = list(SOURCE.glob(pattern))
    assert modules

    for module in modules:
        used = {name.split(".")[0] for name in imports(module)} & WORLD
        assert not used, f"{module.relative_to(SOURCE)} imports {used}"


@pytest.mark.parametrize(
    "module", ["geartrain", "geartrain.client", "geartrain.worker", "geartrain.admin", "geartrain.python_gearman"]
)
def test_a_client_or_worker_loads_no_server(module: str) -> None:
    """A program that only submits jobs or works must not load anything else."""
    unwanted = "'geartrain.core', 'geartrain.server', 'geartrain.testing', 'asyncio', 'uvloop'"
    program = f"import sys, {module}; print([name for name in ({unwanted}) if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_stores_see_only_records_and_changes_of_the_core() -> None:
    visible = {"changes", "commit_queue", "numbers", "packing", "record"}
    visible_modules = tuple(f"geartrain.core.{module}" for module in visible)

    for module in (SOURCE / "storage").rglob("*.py"):
        of_core = {name for name in imports(module) if name.startswith("geartrain.core")}
        assert not {name for name in of_core if not name.startswith(visible_modules)}, module


def test_every_part_has_its_step() -> None:
    assert {part_of(module) for module in MODULES} - {"__init__"} == set(STEP)
