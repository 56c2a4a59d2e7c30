"""Requests go out from here at their pace; a path, a URL or an S3 address becomes a file."""
