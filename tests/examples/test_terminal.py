# SPDX-License-Identifier: MIT
"""The folder in which the tests run the examples."""

from pathlib import Path

from tests.examples.terminal import ROOT, Terminal


def test_it_has_only_files_that_git_tracks(terminal: Terminal) -> None:
    """A user who has tried an example has its mail, pictures and logs in the project's folder."""
    assert (terminal.folder / "examples/email/client.py").is_file()
    assert (ROOT / ".git").exists()
    assert not (terminal.folder / ".git").exists()


def test_programs_do_not_write_into_the_project(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("touch examples/made docs/made made")

    assert {each.relative_to(terminal.folder).as_posix() for each in terminal.folder.rglob("made")} == {
        "examples/made",
        "docs/made",
        "made",
    }
    assert [ROOT / name for name in ("examples/made", "docs/made", "made") if (ROOT / name).exists()] == []
