#!/usr/bin/env python3
"""Training in PyTorch, as a peer to measure against: prints one JSON object with images per second.

Usage: pytorch_peer.py NETWORK THREADS BATCH SAMPLES SECONDS
       pytorch_peer.py NETWORK THREADS BATCH SAMPLES epoch
       pytorch_peer.py pair NETWORK THREADS BATCH SAMPLES SECONDS
       pytorch_peer.py all-reduce ELEMENTS SECONDS

NETWORK is lenet5, vgg or resnet18. SAMPLES is a folder of IDX files that the bench wrote: the images lie in memory as
float32 and each step gathers its batch. With `epoch`, the clock runs over one epoch of training and a validation. With `pair`, two processes share
each batch, joined by DistributedDataParallel over gloo. With `all-reduce`, two processes sum float32 buffers over gloo, and
the value is the microseconds of one sum.
"""
import json
import math
import os
import pathlib
import socket
import sys
import time

import torch
import torch.distributed
import torch.multiprocessing
from torch import nn

WARM_UP_SECONDS = 1.0
WARM_UP_STEPS = 2
LEAST_STEPS = 3
WARM_UP_SUMS = 20
LEAST_SUMS = 5


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


NETWORKS = {"lenet5": lenet5, "vgg": vgg, "resnet18": resnet18}


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


def time_of_sums(buffer, count):
    torch.distributed.barrier()
    start = time.perf_counter()
    for _ in range(count):
        torch.distributed.all_reduce(buffer)
    return (time.perf_counter() - start) / count


def sum_as(rank, port, elements, seconds):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    buffer = torch.ones(elements)
    estimate = time_of_sums(buffer, WARM_UP_SUMS)
    count = torch.tensor([max(LEAST_SUMS, math.ceil(seconds / estimate))])
    torch.distributed.broadcast(count, 0)
    taken = time_of_sums(buffer.fill_(1), int(count))
    if rank == 0:
        print(json.dumps({"value": 1e6 * taken}), flush=True)
    # Whoever leaves while the other still sums takes it down.
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def train_as(rank, port, name, threads, batch, folder, seconds):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    network = torch.nn.parallel.DistributedDataParallel(NETWORKS[name]())
    training = steps(network, *samples(folder, "train"), batch // 2)
    start, taken = time.perf_counter(), 0
    while taken < WARM_UP_STEPS or warming(start):
        next(training)
        taken += 1
    # Both take as many steps as the first one reckons.
    count = torch.tensor([max(LEAST_STEPS, math.ceil(seconds * taken / (time.perf_counter() - start)))])
    torch.distributed.broadcast(count, 0)
    torch.distributed.barrier()
    start = time.perf_counter()
    trained = sum(next(training) for _ in range(int(count)))
    torch.distributed.barrier()
    if rank == 0:
        print(json.dumps({"value": 2 * trained / (time.perf_counter() - start)}), flush=True)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def warming(start):
    """Whether the first one's clock says that it is still warming up."""
    answer = torch.tensor([float(time.perf_counter() - start < WARM_UP_SECONDS)])
    torch.distributed.broadcast(answer, 0)
    return bool(answer)


def in_two(work, *arguments):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, (port, *arguments), nprocs=2)


def main():
    if sys.argv[1] == "all-reduce":
        in_two(sum_as, int(sys.argv[2]), float(sys.argv[3]))
        return
    if sys.argv[1] == "pair":
        name, threads, batch, folder, seconds = sys.argv[2:7]
        in_two(train_as, name, int(threads), int(batch), pathlib.Path(folder), float(seconds))
        return
    name, threads, batch, folder, span = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    folder, batch = pathlib.Path(folder), int(batch)
    network = NETWORKS[name]()
    train = samples(folder, "train")
    training = steps(network, *train, batch)
    warm_up(training)
    if span == "epoch":
        rate = rate_of_epoch(network, training, train, samples(folder, "validation"), batch)
    else:
        rate = rate_of_steps(training, float(span))
    print(json.dumps({"value": rate}))


if __name__ == "__main__":
    main()
