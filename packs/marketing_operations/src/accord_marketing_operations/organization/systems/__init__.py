"""The systems of the sample organization, each with its own names, units, codes and way of writing time; one file per system."""
