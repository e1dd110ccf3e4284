"""`python -m app.cli`: the command line where `hearth` is not installed as a program."""

from app.cli import main

main()
