"""What a person looks at: the answers page, tables, curves."""
