"""Submissions: what a stranger hands in as one file, how it is made, opened and checked. Nothing here runs or imports what it holds."""
