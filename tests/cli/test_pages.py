# SPDX-License-Identifier: MIT
"""Files made from the declarations of options: that they are up to date, and that they work."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from geartrain.cli.pages.__main__ import main
from geartrain.cli.pages.files import COMMANDS, files
from geartrain.server.config.kinds import OptionError
from geartrain.server.config.option import Option
from geartrain.server.config.sources import read
from geartrain.server.options import OPTIONS, GearmandOptions
from tests.cli.shells import SHELLS

ROOT = Path(__file__).parents[2]
FILES = files()
SAMPLE = FILES["packaging/gearmand.toml"]


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is missing; run tests/interop/install-peers as root")
        pytest.skip(f"{program} is not installed")
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name], "write it again with: make pages"


def test_the_module_writes_all_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["pages", str(tmp_path)])

    assert main() == 0

    assert {name: (tmp_path / name).read_text() for name in FILES} == FILES
    assert len(capsys.readouterr().out.splitlines()) == len(FILES)


class TestDeclarations:
    @pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
    def test_each_option_is_explained_and_has_an_example(self, option: Option) -> None:
        assert option.help
        assert option.details.endswith(".")
        if option.is_flag:
            assert not option.example
        elif option.name != "protocol":  # which takes no value in this version
            assert option.parse(option.example) is not None

    @pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
    def test_each_option_has_an_anchor_and_its_forms_on_the_page(self, option: Option) -> None:
        page = FILES["docs/reference/options.md"]

        section = page.partition(f"(option-{option.name})=\n")[2].partition("\n(option-")[0]

        assert section.startswith(f"### `--{option.name}`")
        assert f"`{option.variables[0]}=" in section
        assert f"`{option.name} = " in section


class TestSample:
    def test_it_changes_nothing_as_it_is(self) -> None:
        assert tomllib.loads(SAMPLE) == {}

    @pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
    def test_each_line_is_valid_and_shows_the_default_if_there_is_one(self, option: Option, tmp_path: Path) -> None:
        lines = re.findall(rf"^#({re.escape(option.name)} = .*)$", SAMPLE, re.MULTILINE)
        assert len(lines) == 1
        file = tmp_path / "gearmand.toml"
        file.write_text(f"{lines[0]}\n")

        try:
            options = read([f"--config-file={file}"], {}).options
        except OptionError as error:
            assert "needs --libsqlite3-db" in str(error) or "not available in this version" in str(error)  # noqa: PT017
            return

        if option.show(option.default) and not option.default_text:
            assert getattr(options, option.attribute) == getattr(GearmandOptions(), option.attribute)


class TestManPages:
    @pytest.mark.parametrize("name", [name for name in FILES if "/man/" in name])
    def test_groff_has_no_warnings(self, name: str) -> None:
        done = subprocess.run(
            [needs("groff"), "-man", "-ww", "-Tascii"], input=FILES[name], capture_output=True, text=True, check=True
        )

        assert done.stderr == ""
        shown = re.sub(".\b", "", done.stdout)  # without overstrikes
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SEE ALSO"):
            assert f"\n{heading}\n" in shown

    @pytest.mark.parametrize("name", [name for name in FILES if "/man/" in name])
    def test_man_has_no_warnings(self, name: str) -> None:
        command = [needs("man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(ROOT / name)]

        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "MANWIDTH": "80", "MANROFFSEQ": ""}
        )

        assert done.stderr == ""

    def test_a_page_has_every_option(self) -> None:
        page = FILES["packaging/man/gearmand.8"].replace(r"\-", "-")

        assert [name for name in OPTIONS if rf"--{name}\fR" not in page] == []


class TestCompletion:
    @pytest.mark.parametrize("shell", SHELLS)
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("gearadmin --stat", ["--status"]),
            ("gearadmin --shutdown ", ["now", "graceful"]),
            ("gearman --ser", ["--server"]),
            ("gearmand --log-format ", ["text", "json"]),
            ("gearmand --durability re", ["relaxed"]),
            ("gearmand --max-con", ["--max-connections", "--max-connections-per-address"]),
            ("gearmand sto", ["store"]),
            ("gearmand store ", ["inspect", "export", "import"]),
            ("gearmand store import --re", ["--resume"]),
            ("gearmand store import sqlite:x --re", ["--resume"]),
        ],
    )
    def test_a_shell_completes(self, shell: str, line: str, words: list[str]) -> None:
        assert sorted(SHELLS[shell](needs(shell), line)) == sorted(words)

    @pytest.mark.parametrize("line", ["gearmand --log-file ", "gearmand store export ", "gearman -f f "])
    @pytest.mark.parametrize("shell", ["zsh", "fish"])  # bash completes files by itself
    def test_files_are_completed_where_they_can_be(
        self, shell: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "seldom").touch()

        assert SHELLS[shell](needs(shell), f"{line}sel") == ["seldom"]
        assert SHELLS["bash"](needs("bash"), f"{line}sel") == []

    @pytest.mark.parametrize(("shell", "pattern"), [("bash", "bash/*"), ("zsh", "zsh/*"), ("fish", "fish/*")])
    def test_a_shell_can_read_the_files(self, shell: str, pattern: str) -> None:
        program = needs(shell)

        for file in (ROOT / "packaging" / "completion").glob(pattern):
            subprocess.run([program, "-n", str(file)], check=True)

    @pytest.mark.parametrize("page", COMMANDS, ids=lambda page: page.name)
    def test_every_option_is_completed_by_every_shell(self, page: object) -> None:
        name = page.name  # type: ignore[attr-defined]
        options = page.options  # type: ignore[attr-defined]
        long = [each[2:] for group in options.values() for option in group for each in option.names if each[:2] == "--"]
        bash, zsh, fish = (
            FILES[f"packaging/completion/{path}"] for path in (f"bash/{name}", f"zsh/_{name}", f"fish/{name}.fish")
        )

        assert [option for option in long if f"--{option} " not in bash and f'--{option}"' not in bash] == []
        assert [option for option in long if f"--{option}[" not in zsh] == []
        assert [option for option in long if f" -l {option} " not in fish] == []
