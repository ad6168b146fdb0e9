"""What to do next: problems, solvers, results, simulation."""
