"""From notebooks to what is published: ledgers, tables, rendering, checks, the report."""
