"""Chapter 2: saliency maps and what they are worth."""
