"""What Hearth costs, measured beside its peers; `python -m bench --help`."""
