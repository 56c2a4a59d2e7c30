"""A participant's side: check a submission before it is uploaded, and make a baseline."""
