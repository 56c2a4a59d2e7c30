"""Reading an untrusted HDF5 file in a process that knows nothing worth stealing.

``h5file`` and ``sandbox`` run in the helper process (``__main__``), ``client`` in the scorer.
This file imports nothing: the helper loads it without the rest of the package.
"""
