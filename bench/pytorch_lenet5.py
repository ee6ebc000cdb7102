"""LeNet-5 training in PyTorch, as a peer to measure against: prints images per second.

Usage: pytorch_lenet5.py THREADS BATCH STEPS
The samples lie in memory, 12,000 of them, and each step gathers its batch, as a data loader would.
"""
import sys
import time

import torch
from torch import nn

THREADS, BATCH, STEPS = (int(argument) for argument in sys.argv[1:4])
SAMPLES = 12_000
WARM_UP = 50


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10))


def train(network, images, labels, steps):
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    loss = nn.CrossEntropyLoss()
    order = torch.randperm(SAMPLES)
    for step in range(steps):
        first = step * BATCH % (SAMPLES - BATCH)
        batch = order[first:first + BATCH]
        optimizer.zero_grad()
        loss(network(images[batch]), labels[batch]).backward()
        optimizer.step()


torch.set_num_threads(THREADS)
torch.manual_seed(1)
network = lenet5()
images, labels = torch.rand(SAMPLES, 1, 28, 28), torch.randint(0, 10, (SAMPLES,))
train(network, images, labels, WARM_UP)
start = time.perf_counter()
train(network, images, labels, STEPS)
print(BATCH * STEPS / (time.perf_counter() - start))
