"""Clusterers: groups of captions that are written alike, from which style prompts are made."""
