"""The old ledger, for the notebooks that have not moved to ``provenance.chapter`` yet."""
