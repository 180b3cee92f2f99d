"""Exceptions that keep their frames."""
