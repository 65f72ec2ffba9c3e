"""Studies: what is asked, which arms are trained for it, how they run and are saved, and what was found."""
