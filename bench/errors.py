"""What the bench cannot do."""


class BenchError(Exception):
    """It cannot go on; the text says what is missing or wrong, and what helps."""


class FellBehindError(BenchError):
    """A peer did not answer as fast as it was asked, at a constant rate."""
