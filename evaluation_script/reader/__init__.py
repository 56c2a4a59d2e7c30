"""A process that knows nothing worth stealing reads an untrusted HDF5 file here.

``h5file`` and ``sandbox`` run in the helper process (``__main__``), ``client`` in the scorer.
This file imports nothing: the helper loads it without the rest of the package.
"""
