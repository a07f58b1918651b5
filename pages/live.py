"""What answers in the page."""


def export(runs, out):
    """Nothing yet."""
