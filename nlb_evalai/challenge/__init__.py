"""From the suite to a challenge on a platform, and a dry run of it on this machine."""
