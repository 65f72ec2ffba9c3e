"""Pages: what a study found, as tables, figures and an interactive report; and training watched in the terminal."""
