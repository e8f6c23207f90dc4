"""RSTPReid."""

data = dict(dataset=dict(type="RSTPReid"))
