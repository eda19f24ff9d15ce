"""Recurrent networks: vanilla, LSTM, GRU and minimal cells."""
