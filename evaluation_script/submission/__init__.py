"""What a participant sent is opened, judged whole and read block by block here."""
