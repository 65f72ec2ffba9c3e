"""One run on one machine: settings, command line, machine, folder."""
