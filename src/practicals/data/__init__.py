"""The real data: what there is, how it comes here, how it is read."""
