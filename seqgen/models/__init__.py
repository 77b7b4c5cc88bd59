"""The networks: their weights' contract, their training form (Keras) and their decoding (NumPy,
or compiled where much is drawn).
"""
