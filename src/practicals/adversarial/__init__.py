"""Chapter 3: adversarial examples, the attacks, their controls and two kinds of defence."""
