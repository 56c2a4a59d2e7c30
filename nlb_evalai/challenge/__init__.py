"""Here a suite becomes a challenge for a platform, and a dry run tries it on this machine."""
