# SPDX-License-Identifier: MIT
"""Write the files made from the declarations of options; see `geartrain.cli.pages`."""

import sys
from pathlib import Path

from geartrain.cli.pages.files import files

__all__ = ["main"]


def main() -> int:
    """Write all files below the folder that the first word names, which is the project's."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
