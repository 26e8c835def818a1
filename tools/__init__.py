"""What a maintainer runs once, and what ``make data`` runs; no part of the package."""
