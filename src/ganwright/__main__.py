"""`python -m ganwright`, the same as the command."""

from ganwright.cli.app import main

main()
