"""What a participant sent: its file, its structure judged whole, its values as they stream by."""
