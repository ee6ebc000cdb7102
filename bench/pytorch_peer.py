#!/usr/bin/env python3
"""Training in PyTorch, as a peer to measure against: prints one JSON object with images per second.

Usage: pytorch_peer.py NETWORK THREADS BATCH SAMPLES SECONDS
       pytorch_peer.py NETWORK THREADS BATCH SAMPLES epoch

NETWORK is lenet5, vgg or resnet18. SAMPLES is a folder of IDX files that the bench wrote: the images lie in memory as
float32 and each step gathers its batch. With `epoch`, the clock runs over one epoch of training and a validation.
"""
import json
import pathlib
import sys
import time

import torch
from torch import nn

WARM_UP_SECONDS = 1.0
WARM_UP_STEPS = 2
LEAST_STEPS = 3


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10))


def vgg():
    layers, channels = [], 3
    for filters in (32, 64, 128):
        for _ in range(2):
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
            channels = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 256), nn.ReLU(), nn.Linear(256, 10))


class Basic(nn.Module):
    def __init__(self, channels, filters, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))
        self.shortcut = nn.Identity() if stride == 1 and channels == filters else nn.Sequential(
            nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        return torch.relu(self.main(x) + self.shortcut(x))


def resnet18():
    layers, channels = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Basic(channels, filters, stride), Basic(filters, filters, 1)]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def idx(path):
    """The bytes of an IDX file as a tensor: a magic number whose last byte counts the sizes, the sizes, the data."""
    content = bytearray(path.read_bytes())
    sizes = [int.from_bytes(content[4 + 4 * i:8 + 4 * i], "big") for i in range(content[3])]
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def samples(folder, part):
    return idx(folder / f"{part}-images.idx").float() / 255, idx(folder / f"{part}-labels.idx").long()


def steps(network, images, labels, batch):
    """Trains without end; yields the samples of each step."""
    optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    loss = nn.CrossEntropyLoss()
    network.train()
    while True:
        order = torch.randperm(len(images))
        for first in range(0, len(images), batch):
            chosen = order[first:first + batch]
            optimizer.zero_grad()
            loss(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()
            yield len(chosen)


def warm_up(training):
    start, count = time.perf_counter(), 0
    while count < WARM_UP_STEPS or time.perf_counter() - start < WARM_UP_SECONDS:
        next(training)
        count += 1


def rate_of_steps(training, seconds):
    start, taken, trained = time.perf_counter(), 0, 0
    while taken < LEAST_STEPS or time.perf_counter() - start < seconds:
        trained += next(training)
        taken += 1
    return trained / (time.perf_counter() - start)


def validate(network, images, labels, batch):
    network.eval()
    correct, loss = 0, 0.0
    with torch.no_grad():
        for first in range(0, len(images), batch):
            logits, truth = network(images[first:first + batch]), labels[first:first + batch]
            loss += nn.functional.cross_entropy(logits, truth, reduction="sum").item()
            correct += (logits.argmax(1) == truth).sum().item()
    network.train()
    return loss / len(images), correct / len(images)


def rate_of_epoch(network, training, train, validation, batch):
    start, trained = time.perf_counter(), 0
    while trained < len(train[0]):
        trained += next(training)
    validate(network, *validation, batch)
    return (trained + len(validation[0])) / (time.perf_counter() - start)


def main():
    name, threads, batch, folder, span = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    folder, batch = pathlib.Path(folder), int(batch)
    network = {"lenet5": lenet5, "vgg": vgg, "resnet18": resnet18}[name]()
    train = samples(folder, "train")
    training = steps(network, *train, batch)
    warm_up(training)
    if span == "epoch":
        rate = rate_of_epoch(network, training, train, samples(folder, "validation"), batch)
    else:
        rate = rate_of_steps(training, float(span))
    print(json.dumps({"value": rate}))


main()
