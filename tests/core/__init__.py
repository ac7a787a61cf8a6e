"""Is each mechanism right?  Exact gates; expectations are worked out by hand from the series."""
