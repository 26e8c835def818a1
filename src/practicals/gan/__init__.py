"""Chapter 6: generative adversarial networks, with and without a class, and what scores say."""
