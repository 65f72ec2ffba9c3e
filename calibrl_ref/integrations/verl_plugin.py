"""What verl loads by the entry point group ``verl.plugins``: importing it registers everything of ``verl.py``."""

from calibrl_ref.integrations.verl import register

NAMES = register()
