"""``python -m numa_core --cflags --sources``: what an embedder's build needs."""

from __future__ import annotations

import argparse

from . import cflags, get_include, sources


def main() -> None:
    """Print the parts asked for on one line."""
    parser = argparse.ArgumentParser(
        prog="python -m numa_core", description="What a build that embeds the C core needs."
    )
    parser.add_argument("--cflags", action="store_true", help="compiler flags")
    parser.add_argument("--sources", action="store_true", help="C sources to compile")
    parser.add_argument("--include", action="store_true", help="directory of numab.h")
    args = parser.parse_args()
    words = cflags() if args.cflags else []
    words += sources() if args.sources else []
    words += [get_include()] if args.include else []
    if not words:
        parser.error("ask for --cflags, --sources or --include")
    print(" ".join(words))


if __name__ == "__main__":
    main()
