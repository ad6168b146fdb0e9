"""``python -m accord``: the command line."""

from accord.cli.main import main

main()
