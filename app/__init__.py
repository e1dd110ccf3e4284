"""Hearth: a thin HTTP layer over a database that keeps households apart."""
