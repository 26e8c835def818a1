"""Chapter 4: pictures that a network would call a class, and how good they are."""
