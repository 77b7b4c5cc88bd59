"""Training: everything that needs TensorFlow, and nothing that sampling needs."""
