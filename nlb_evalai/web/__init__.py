"""HTTP with its pace and time-outs; a path, a URL or an S3 address becomes a file."""
