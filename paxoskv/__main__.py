"""`python -m paxoskv`: the command line."""

from __future__ import annotations

from paxoskv.cli import main

if __name__ == "__main__":
    main()
