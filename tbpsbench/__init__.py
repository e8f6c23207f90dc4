"""tbpsbench: a plug-in toolkit and leaderboard for text-based person search. Importing it imports nothing heavy."""

__version__ = "0.1.0"
