"""An LSTM that has to remember the first of 400 inputs."""

import torch
from torch import nn


class Recall(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.head = nn.Linear(32, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def make_model():
    return Recall()


def make_batch():
    x = torch.randn(32, 400, 1, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0, 0] > 0).long()
