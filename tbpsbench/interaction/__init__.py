"""Search as a dialogue: is this the person, what is missing, and a query that says more (slot INTERACTORS)."""
