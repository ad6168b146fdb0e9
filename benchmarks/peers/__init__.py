"""What the benchmarks are measured against, and with: servers, costs, and tools in environments of their own."""
