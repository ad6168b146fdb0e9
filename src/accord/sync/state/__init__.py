"""What a flow remembers between runs: base, agreed values, intents, recorded changes."""
