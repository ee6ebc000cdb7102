#!/usr/bin/env python3
"""Writes torchvision.json: what torchvision's networks compute, for cnn's examples to be compared with.

Needs PyTorch, torchvision and NumPy (Debian 12: python3-torch 1.13, python3-torchvision 0.14). To run it:

    /usr/bin/python3 Tests/References/torchvision_references.py

Nothing comes from PyTorch's random numbers: every parameter, every buffer and the input are made of SplitMix64
(Steele, Lea, Flood, OOPSLA 2014), so that the tests make the very same ones. A tensor has a role and an index, its
place among the parameters, or among the buffers without the counters of batches. Its elements u are the numbers in
[-1, 1) that SplitMix64 gives in turn when its state begins as mix(role * 2**32 + index):

    kernels, of two axes or more    u * sqrt(6 / elements of a row)      He uniform
    batch norm's weight             1 + u/10
    biases                          u/10
    running means                   u/10
    running variances               1 + u/2
    the input                       u

All is computed in float64, in evaluation mode. The sides of the inputs differ, and are such that `ceil` counts.
"""
import json
import pathlib
import re

import numpy
import torch
import torchvision
from torch import nn

PARAMETER, BUFFER, INPUT = 1, 2, 3
GOLDEN = 0x9E3779B97F4A7C15
BATCH = 2
SHOWN = 8

# Height and width of the input (none: the parameters are counted, and nothing is computed), and the modules whose
# outputs are recorded besides the last one's.
NETWORKS = {
    "alexnet": ((160, 128), ["features.2", "features.7", "features.12"]),
    "densenet121": ((80, 64), ["features.pool0", "features.denseblock1", "features.transition2", "features.denseblock4"]),
    "googlenet": ((80, 48), ["maxpool2", "inception3b", "inception4e", "inception5b"]),
    "mobilenet_v2": ((80, 64), ["features.1", "features.4", "features.12", "features.18"]),
    "resnet18": ((80, 64), ["maxpool", "layer1", "layer2", "layer3", "layer4"]),
    "resnet50": ((80, 64), ["maxpool", "layer1", "layer2", "layer3", "layer4"]),
    "resnet152": (None, []),
    "squeezenet1_1": ((98, 74), ["features.2", "features.5", "features.8", "features.12"]),
    "vgg16": (None, []),
}
ARGUMENTS = {"googlenet": {"aux_logits": False, "transform_input": False, "init_weights": False}}


def mix(z):
    """SplitMix64's output function, element by element."""
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def uniform(role, index, shape):
    """The numbers in [-1, 1) of one tensor."""
    count = numpy.prod(shape, dtype=numpy.int64)
    state = mix(numpy.array([(role << 32) + index], numpy.uint64))
    words = mix(state + numpy.arange(1, count + 1, dtype=numpy.uint64) * numpy.uint64(GOLDEN))
    return torch.from_numpy((words >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-52 - 1.0).reshape(tuple(shape))


def fill(network):
    scales = {id(module.weight) for module in network.modules() if isinstance(module, nn.BatchNorm2d)}
    for index, parameter in enumerate(network.parameters()):
        u = uniform(PARAMETER, index, parameter.shape)
        if parameter.dim() > 1:
            parameter.copy_(u * (6.0 / parameter[0].numel()) ** 0.5)
        else:
            parameter.copy_(1.0 + u / 10.0 if id(parameter) in scales else u / 10.0)
    buffers = [(name, buffer) for name, buffer in network.named_buffers() if not name.endswith("num_batches_tracked")]
    for index, (name, buffer) in enumerate(buffers):
        u = uniform(BUFFER, index, buffer.shape)
        buffer.copy_(1.0 + u / 2.0 if name.endswith("running_var") else u / 10.0)


def summary(output):
    """A few numbers of each sample: its first elements in the order C, H, W, the mean and the L2 norm of all."""
    rows = output.reshape(BATCH, -1)
    return {"shape": list(output.shape[1:]), "first": rows[:, :SHOWN].tolist(), "mean": rows.mean(1).tolist(),
            "norm": rows.norm(dim=1).tolist()}


def reference(name, sides, points):
    network = getattr(torchvision.models, name)(**ARGUMENTS.get(name, {})).eval()
    result = {"parameters": sum(parameter.numel() for parameter in network.parameters())}
    if sides is None:
        return result
    network.double()
    fill(network)
    seen = {}
    for point in points:
        # What is seen is copied: an activation behind it may work in place.
        network.get_submodule(point).register_forward_hook(
            lambda _module, _input, output, point=point: seen.update({point: output.clone()}))
    output = network(uniform(INPUT, 0, (BATCH, 3, *sides)))
    return result | {"input": list(sides), "points": {point: summary(seen[point]) for point in points},
                     "output": summary(output)}


@torch.no_grad()
def main():
    references = {"torch": torch.__version__, "torchvision": torchvision.__version__, "batch": BATCH,
                  "networks": {name: reference(name, *request) for name, request in NETWORKS.items()}}
    text = json.dumps(references, indent=2)
    # Lists of numbers on lines of their own.
    text = re.sub(r"\[[^][{}]*\]", lambda numbers: " ".join(numbers.group().split()), text)
    pathlib.Path(__file__).with_name("torchvision.json").write_text(text + "\n")


main()
