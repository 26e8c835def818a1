"""Deep learning applications: the package behind the six notebooks and the report."""
