"""Is a program right: its text, its tests, calls and outputs, compared outside the sandbox."""
