"""A trained system as ONNX graphs for other programs, checked against the system before anything is written."""
