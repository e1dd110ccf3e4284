"""What the bench cannot do."""


class BenchError(Exception):
    """It cannot go on; the text says what is missing or wrong, and what helps."""
