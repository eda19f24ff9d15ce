"""From measured profiles to the four tables. Knows no files, no terminal and no torch."""

from gradlab.survival.predicted import Predict, Prediction
from gradlab.survival.tables import Tables, tables

__all__ = ["Predict", "Prediction", "Tables", "tables"]
