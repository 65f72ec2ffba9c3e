"""What a question is: the record and its pictures."""
