"""Chapter 5: domain adaptation from MNIST to MNIST-M."""
