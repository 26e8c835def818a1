"""Networks with readable layers, their gradients and their training."""
