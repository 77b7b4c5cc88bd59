"""Drawing from a model: filters, generation, and where what is drawn goes. No TensorFlow."""
