"""Chapter 1: transfer learning on 15-Scene."""
