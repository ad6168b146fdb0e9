"""The actions that come with Accord, one file each with an ``ACTION``; a new file is a new action."""
