"""What the command lines of toy/ and full_scale/ have in common: flags, output folders, exit statuses.

Nothing here imports torch, so that help and mistakes are answered at once.
"""
