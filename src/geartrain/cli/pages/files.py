# SPDX-License-Identifier: MIT
"""The files and their contents."""

from geartrain.cli import gearadmin_page, gearman_page, gearmand_page, store_pages
from geartrain.cli.pages import bash, fish, zsh
from geartrain.cli.pages.man import man_page
from geartrain.cli.pages.reference import reference
from geartrain.cli.pages.sample import sample

__all__ = ["COMMANDS", "files"]

COMMANDS = [gearman_page.PAGE, gearadmin_page.PAGE, gearmand_page.PAGE]


def files() -> dict[str, str]:
    """Return the text of each file by its path in the project."""
    made = {
        f"packaging/man/{page.name.replace(' ', '-')}.{page.number}": man_page(page)
        for page in (*COMMANDS, store_pages.PAGE)
    }
    for page in COMMANDS:
        actions = store_pages.ACTION_PAGES if page is gearmand_page.PAGE else {}
        made[f"packaging/completion/bash/{page.name}"] = bash.completion(page, actions)
        made[f"packaging/completion/zsh/_{page.name}"] = zsh.completion(page, actions)
        made[f"packaging/completion/fish/{page.name}.fish"] = fish.completion(page, actions)
    made["packaging/gearmand.toml"] = sample(gearmand_page.grouped())
    made["docs/reference/options.md"] = reference(gearmand_page.grouped())
    return made
