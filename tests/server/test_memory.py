# SPDX-License-Identifier: MIT
"""The default of the memory limit follows the machine and the control group."""

from pathlib import Path

import pytest

from geartrain.server.memory import available_memory


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_limit_of_the_control_group_counts(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("12345678\n")

    assert available_memory(tmp_path) == 12345678


@pytest.mark.parametrize("text", ["max\n", "9223372036854771712\n", None])
def test_without_one_it_is_the_memory_of_the_machine(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "memory.max").write_text(text)

    assert 1 << 24 < available_memory(tmp_path) < 1 << 50
