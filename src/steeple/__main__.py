"""``python -m steeple`` is the steeple command."""

from steeple.cli.app import main

main()
