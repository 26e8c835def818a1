"""The tests, a package of its own: a library that is installed has a package of that name, too."""
