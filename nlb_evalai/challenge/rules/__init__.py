"""What all platforms' rules share: findings, rulebooks, and safe views of strangers' files."""
