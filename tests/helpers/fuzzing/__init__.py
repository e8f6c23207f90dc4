"""Random inputs for everything that reads a file or a value: valid examples, changed at places and byte by byte.

    python -m fuzzing --seconds 120 --seed 0 --jobs 2        (make fuzz; tests/helpers must be on PYTHONPATH)

values.py has what is odd, change.py puts it into an example; texts.py, records.py and files.py say which tool reads
what; engine.py makes and counts inputs, hypothesis_part.py lets hypothesis make some and shrink what fails, and
worker.py is what each process does.
"""
