"""Are two answers the same: one spelling, readers of numbers, words and formulas, comparisons."""
