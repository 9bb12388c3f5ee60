"""`python -m suite` is `squeezemark`."""

from suite.cli import main

main()
