#!/usr/bin/env python3
"""Writes layers.json: what PyTorch's layers and activations compute, for cnn's to be compared with.

Needs PyTorch (Debian 12: python3-torch 1.13). To run it:

    /usr/bin/python3 Tests/References/layers_references.py

Each case is the body of a network in cnn's language, and what PyTorch makes of the same layer, all in float64, with
two samples, in training. Nothing is random: element i of the input is sin(0.7·i + 0.3), element i of weight number w is
cos(1.3·i + w)/2, in the order of the last axis first; the gradients are those of Σ sin(i + 1)·y[i].
"""
import json
import pathlib

import torch
from torch.nn import functional as F


def formula(shape, value):
    count = 1
    for side in shape:
        count *= side
    numbers = value(torch.arange(count, dtype=torch.float64))
    return numbers.reshape(shape).requires_grad_(True)


def case(body, shape, weights, compute):
    """`shape` is (C, sides…); `weights` are the shapes of the weights, which `compute` takes behind the input."""
    x = formula((2, *shape), lambda i: torch.sin(0.7 * i + 0.3))
    own = [formula(s, lambda i, w=w: torch.cos(1.3 * i + w) / 2) for w, s in enumerate(weights)]
    y = compute(x, *own)
    seeds = torch.sin(torch.arange(y.numel(), dtype=torch.float64) + 1).reshape(y.shape)
    (y * seeds).sum().backward()
    numbers = lambda t: [float(f"{v:.13g}") for v in t.detach().flatten().tolist()]
    sides = "x".join(str(s) for s in (*shape[1:], shape[0]))
    return {
        "body": f"input {sides}\n{body}",
        "shape": list(y.shape),
        "output": numbers(y),
        "gradients": [numbers(t.grad) for t in (x, *own)],
    }


def layer_norm_of_channels(x, scale, shift):
    last = x.movedim(1, -1)
    return F.layer_norm(last, last.shape[-1:], scale, shift, 1e-3).movedim(-1, 1)


def separable(x, depthwise, pointwise, bias):
    apart = F.conv2d(x, depthwise, stride=2, padding=1, groups=x.shape[1])
    return F.conv2d(apart, pointwise, bias)


def hardsigmoid(x):
    """F.hardsigmoid's own gradient has 1/6 in single precision."""
    return F.relu6(x + 3) / 6


def batch_norm(x, scale, shift):
    return F.batch_norm(x, None, None, scale, shift, True, eps=1e-3)


CONVOLUTIONS = [
    ("conv 3 3 stride=2 pad=1", (2, 7), [(3, 2, 3), (3,)], lambda x, w, b: F.conv1d(x, w, b, 2, 1)),
    ("conv 2 3x2 pad=1x0", (2, 4, 5), [(2, 2, 3, 2), (2,)], lambda x, w, b: F.conv2d(x, w, b, 1, (1, 0))),
    ("conv 4 2 groups=2 dilation=2 bias=no", (4, 5, 4), [(4, 2, 2, 2)],
     lambda x, w: F.conv2d(x, w, None, groups=2, dilation=2)),
    ("conv 2 2 stride=1x2x1 pad=1", (1, 3, 3, 2), [(2, 1, 2, 2, 2), (2,)],
     lambda x, w, b: F.conv3d(x, w, b, (1, 2, 1), 1)),
    ("depthwise 3 pad=1 multiplier=2", (2, 4, 4), [(4, 1, 3, 3), (4,)],
     lambda x, w, b: F.conv2d(x, w, b, padding=1, groups=2)),
    ("separable 3 3 stride=2 pad=1", (2, 5, 4), [(2, 1, 3, 3), (3, 2, 1, 1), (3,)], separable),
    ("convtranspose 3 3 stride=2 pad=1 output-pad=1", (2, 4), [(2, 3, 3), (3,)],
     lambda x, w, b: F.conv_transpose1d(x, w, b, 2, 1, 1)),
    ("convtranspose 2 3x2 stride=2x3 pad=1x0 output-pad=0x2", (2, 3, 3), [(2, 2, 3, 2), (2,)],
     lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), (1, 0), (0, 2))),
    ("convtranspose 4 2 groups=2 dilation=2 bias=no", (4, 2, 3), [(4, 2, 2, 2)],
     lambda x, w: F.conv_transpose2d(x, w, None, groups=2, dilation=2)),
    ("convtranspose 2 2 stride=2", (1, 2, 2, 2), [(1, 2, 2, 2, 2), (2,)],
     lambda x, w, b: F.conv_transpose3d(x, w, b, 2)),
    ("dense 3", (5,), [(3, 5), (3,)], F.linear),
]

POOLINGS = [
    ("maxpool 3 stride=2 pad=1", (2, 7), [], lambda x: F.max_pool1d(x, 3, 2, 1)),
    ("maxpool 3x2 stride=2 pad=1 ceil", (2, 6, 5), [], lambda x: F.max_pool2d(x, (3, 2), 2, 1, ceil_mode=True)),
    ("maxpool 2", (1, 4, 4, 4), [], lambda x: F.max_pool3d(x, 2)),
    ("avgpool 3 stride=2 pad=1", (2, 6, 5), [], lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
    ("avgpool 3 stride=2 pad=1 count-pad", (2, 6, 5), [], lambda x: F.avg_pool2d(x, 3, 2, 1)),
    ("avgpool 3 stride=2 pad=1 ceil count-pad", (2, 6, 6), [], lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True)),
    ("avgpool 3 stride=2 pad=1 ceil", (2, 6, 6), [],
     lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False)),
    ("avgpool 2 pad=1 count-pad", (1, 4, 3, 4), [], lambda x: F.avg_pool3d(x, 2, 2, 1)),
    ("globalavgpool", (3, 4, 5), [], lambda x: x.mean((2, 3))),
    ("globalmaxpool keep", (3, 4, 5), [], lambda x: F.adaptive_max_pool2d(x, 1)),
    ("adaptiveavgpool 3", (2, 7), [], lambda x: F.adaptive_avg_pool1d(x, 3)),
    ("adaptiveavgpool 3x4", (2, 5, 3), [], lambda x: F.adaptive_avg_pool2d(x, (3, 4))),
    ("adaptiveavgpool 2x3x1", (1, 3, 4, 3), [], lambda x: F.adaptive_avg_pool3d(x, (2, 3, 1))),
    ("adaptivemaxpool 3x4", (2, 5, 3), [], lambda x: F.adaptive_max_pool2d(x, (3, 4))),
    ("adaptivemaxpool 2x3x1", (1, 3, 4, 3), [], lambda x: F.adaptive_max_pool3d(x, (2, 3, 1))),
]

SIDES = [
    ("upsample 2x3", (2, 3, 2), [], lambda x: F.interpolate(x, scale_factor=(2, 3))),
    ("upsample 3 bilinear", (2, 4), [],
     lambda x: F.interpolate(x, scale_factor=3, mode="linear", align_corners=False)),
    ("upsample 2x3 bilinear", (2, 3, 2), [],
     lambda x: F.interpolate(x, scale_factor=(2, 3), mode="bilinear", align_corners=False)),
    ("upsample 2 bilinear", (1, 2, 2, 2), [],
     lambda x: F.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)),
    ("zeropad [1 0; 2 1]", (2, 3, 2), [], lambda x: F.pad(x, (2, 1, 1, 0))),
    ("constantpad 1 value=-1.5", (2, 3), [], lambda x: F.pad(x, (1, 1), value=-1.5)),
    ("reflectpad [2 1; 0 1]", (2, 3, 3), [], lambda x: F.pad(x, (0, 1, 2, 1), "reflect")),
    ("reflectpad 1", (1, 2, 3, 2), [], lambda x: F.pad(x, (1,) * 6, "reflect")),
    ("replicatepad [2 1; 0 3]", (2, 2, 3), [], lambda x: F.pad(x, (0, 3, 2, 1), "replicate")),
    ("crop [1 0; 0 2]", (2, 3, 4), [], lambda x: x[:, :, 1:, :-2]),
    ("flatten", (2, 3, 2), [], lambda x: x.flatten(1)),
    ("reshape 2x3x2", (2, 3, 2), [], lambda x: x.reshape(2, 2, 2, 3)),
]

NORMALISATIONS = [
    ("batchnorm", (2, 3, 2), [(2,), (2,)], batch_norm),
    ("layernorm", (4, 3, 2), [(4,), (4,)], layer_norm_of_channels),
    ("layernorm all epsilon=1e-5", (4, 3, 2), [(4, 3, 2), (4, 3, 2)],
     lambda x, s, b: F.layer_norm(x, x.shape[1:], s, b)),
    ("groupnorm 2 epsilon=1e-5", (4, 3, 2), [(4,), (4,)], lambda x, s, b: F.group_norm(x, 2, s, b)),
    ("instancenorm scale=no shift=no epsilon=1e-5", (3, 3, 2), [], F.instance_norm),
    ("localresponsenorm 3 alpha=0.5 k=1", (5, 2, 2), [],
     lambda x: F.local_response_norm(x, 3, alpha=1.5, beta=0.75, k=1.0)),
    ("prelu", (3, 2, 2), [(3,)], F.prelu),
    ("rescale -2 offset=0.5", (2, 3), [], lambda x: 0.5 - 2 * x),
]


def merging(word, compute):
    """Of the input, the same rescaled, and its first column, which is repeated."""
    return (f"{word} {{ }} {{ rescale -2 offset=0.5 }} {{ crop [0 0; 0 3] }}", (2, 3, 4), [],
            lambda x: compute(x, 0.5 - 2 * x, x[..., :1]))


MERGES = [
    merging("add", lambda a, b, c: a + b + c),
    merging("subtract", lambda a, b, c: a - b - c),
    merging("multiply", lambda a, b, c: a * b * c),
    merging("average", lambda a, b, c: torch.stack(torch.broadcast_tensors(a, b, c)).mean(0)),
    merging("maximum", lambda a, b, c: torch.maximum(torch.maximum(a, b), c)),
    merging("minimum", lambda a, b, c: torch.minimum(torch.minimum(a, b), c)),
    ("concat { } { conv 3 1 }", (2, 3, 4), [(3, 2, 1, 1), (3,)], lambda x, w, b: torch.cat((x, F.conv2d(x, w, b)), 1)),
]

ACTIVATIONS = [
    ("relu", F.relu), ("relu6", F.relu6), ("leakyrelu", lambda x: F.leaky_relu(x, 0.3)), ("elu", F.elu),
    ("elu(0.5)", lambda x: F.elu(x, 0.5)), ("selu", F.selu), ("gelu", F.gelu), ("silu", F.silu), ("mish", F.mish),
    ("softplus", F.softplus), ("softsign", F.softsign), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid),
    ("hardsigmoid", hardsigmoid), ("hardswish", F.hardswish), ("exponential", torch.exp),
    ("softmax", lambda x: F.softmax(x, 1)), ("logsoftmax", lambda x: F.log_softmax(x, 1)), ("celu", F.celu),
    ("celu(2)", lambda x: F.celu(x, 2.0)), ("hardtanh", F.hardtanh), ("hardshrink", F.hardshrink),
    ("softshrink", F.softshrink), ("tanhshrink", F.tanhshrink), ("logsigmoid", F.logsigmoid), ("swish", F.silu),
    ("linear", torch.nn.Identity()),
]

cases = [case(*c) for c in CONVOLUTIONS + POOLINGS + SIDES + NORMALISATIONS + MERGES]
cases += [case(f"rescale 4\n{word}", (3, 4), [], lambda x, f=f: f(4 * x)) for word, f in ACTIVATIONS]
lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
target = pathlib.Path(__file__).with_name("layers.json")
target.write_text(f'{{"torch":"{torch.__version__}","cases":[\n{lines}\n]}}\n', encoding="utf-8")
print(f"{target}: {len(cases)} cases")
