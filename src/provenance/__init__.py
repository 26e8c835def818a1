"""Where each number of a report comes from: tables, figures and claims that notebooks hand over."""
