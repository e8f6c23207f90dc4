"""Search in a folder of pictures of your own: an index of their vectors, and the table of the pictures.

base.py         what an index promises (slot INDEXES)
rows.py         vectors on disk, row by row, memory-mapped: what the indexes of one machine stand on
exact.py        the default index: every similarity, chunk by chunk
journal.py      what was added and removed, one committed line each
gallery.py      system + index + pictures: what tools, dialogue and web page use
walk.py         which files of a folder are pictures
build.py        a folder into a gallery, resumably
"""
