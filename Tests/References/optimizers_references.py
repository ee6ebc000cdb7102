#!/usr/bin/env python3
"""Writes optimizers.json: where PyTorch's optimizers and schedules lead, for cnn's to be compared with.

Needs PyTorch (Debian 12: python3-torch 1.13). To run it:

    /usr/bin/python3 Tests/References/optimizers_references.py

A case of an optimizer names cnn's word and settings, and what PyTorch's rule makes of the weights in 200 steps, in
float64, under settings that mean the same: where the places of epsilon differ it is 0. Each problem is drawn with the
seed below: at step t, from 1, weight p has the gradient h·(p − c) + a·sin(t/10 + f). It is one whose slope is small
beside what moves it: steps that divide by the gradient's size would else swing about, and blow rounding up.

A case of a schedule lists the rates of all steps of a run of 60 steps, 6 to the epoch, with lr 0.4.
"""
import json
import pathlib
import random

import torch
from torch import optim
from torch.optim import lr_scheduler

SEED, SIZE, STEPS = 20, 37, 200


def draw(low, high):
    return [random.uniform(low, high) for _ in range(SIZE)]


def problem():
    return {"start": draw(-2, 2), "h": draw(0.02, 0.2), "c": draw(-1, 1), "a": draw(0.1, 1), "f": draw(0, 6)}


def case(word, settings, make):
    """`make` takes the list of weights and gives PyTorch's optimizer."""
    drawn = problem()
    tensor = {name: torch.tensor(values, dtype=torch.float64) for name, values in drawn.items()}
    p = tensor["start"].clone().requires_grad_(True)
    rule = make([p])
    for t in range(1, STEPS + 1):
        with torch.no_grad():
            p.grad = tensor["h"] * (p - tensor["c"]) + tensor["a"] * torch.sin(t / 10 + tensor["f"])
        rule.step()
    return {"word": word, "settings": settings, **drawn, "end": p.tolist()}


def optimizers():
    sgd, adam = {"lr": 0.05, "momentum": 0.9}, {"lr": 0.02, "epsilon": 0}
    yield case("sgd", {"lr": 0.05}, lambda p: optim.SGD(p, 0.05))
    yield case("sgd", sgd, lambda p: optim.SGD(p, 0.05, momentum=0.9))
    yield case("sgd", {**sgd, "nesterov": 1}, lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True))
    decayed = {**sgd, "weight-decay": 0.01, "coupled": 1}
    yield case("sgd", decayed, lambda p: optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.01))
    yield case("adagrad", {"lr": 0.05, "epsilon": 0},
               lambda p: optim.Adagrad(p, 0.05, initial_accumulator_value=0.1, eps=0))
    yield case("adagrad", {"lr": 0.05, "initial-accumulator-value": 0, "epsilon": 0},
               lambda p: optim.Adagrad(p, 0.05, eps=0))
    yield case("adadelta", {"lr": 1}, lambda p: optim.Adadelta(p, 1.0, rho=0.95, eps=1e-7))
    yield case("adadelta", {"lr": 0.5, "rho": 0.8, "epsilon": 1e-3, "weight-decay": 0.01, "coupled": 1},
               lambda p: optim.Adadelta(p, 0.5, rho=0.8, eps=1e-3, weight_decay=0.01))
    for momentum in (0, 0.8):
        for centered in (False, True):
            settings = {"lr": 0.01, "rho": 0.9, "momentum": momentum, "centered": int(centered), "epsilon": 0}
            yield case("rmsprop", settings, lambda p, m=momentum, c=centered: optim.RMSprop(
                p, 0.01, alpha=0.9, eps=0, momentum=m, centered=c))
    yield case("adam", adam, lambda p: optim.Adam(p, 0.02, eps=0))
    yield case("adam", {**adam, "beta_1": 0.7, "beta_2": 0.95}, lambda p: optim.Adam(p, 0.02, (0.7, 0.95), eps=0))
    yield case("adam", {**adam, "amsgrad": 1}, lambda p: optim.Adam(p, 0.02, eps=0, amsgrad=True))
    yield case("adam", {**adam, "weight-decay": 0.02, "coupled": 1},
               lambda p: optim.Adam(p, 0.02, eps=0, weight_decay=0.02))
    yield case("adamw", adam, lambda p: optim.AdamW(p, 0.02, eps=0, weight_decay=0.004))
    yield case("adamw", {**adam, "weight-decay": 0.3, "amsgrad": 1},
               lambda p: optim.AdamW(p, 0.02, eps=0, weight_decay=0.3, amsgrad=True))
    # PyTorch 1.13's loop over single tensors multiplies one μ too many into Πₜ₊₁; the one over lists does not.
    nadam = lambda *given, **more: optim.NAdam(*given, **more, momentum_decay=1, foreach=True)
    yield case("nadam", {"lr": 0.02, "epsilon": 1e-7}, lambda p: nadam(p, 0.02, eps=1e-7))
    yield case("nadam", {"lr": 0.01, "beta_1": 0.8, "epsilon": 1e-3, "weight-decay": 0.05, "coupled": 1},
               lambda p: nadam(p, 0.01, (0.8, 0.999), eps=1e-3, weight_decay=0.05))


RATE, TOTAL, EPOCH = 0.4, 60, 6


def schedule(word, settings, make, by_epoch=False):
    weight = torch.zeros(1, requires_grad=True)
    rule = optim.SGD([weight], RATE)
    follows = make(rule)
    rates = []
    for t in range(TOTAL):
        rates.append(rule.param_groups[0]["lr"])
        rule.step()
        if not by_epoch or (t + 1) % EPOCH == 0:
            follows.step()
    return {"word": word, "settings": settings, "rates": rates}


def warm(rule, steps, then):
    rising = lr_scheduler.LinearLR(rule, 1 / steps, total_iters=steps - 1)
    return lr_scheduler.SequentialLR(rule, [rising, then(rule)], [steps])


def schedules():
    yield schedule("exponential", {"rate": 0.97, "steps": 1}, lambda r: lr_scheduler.ExponentialLR(r, 0.97))
    yield schedule("step", {"epochs": 3, "factor": 0.5}, lambda r: lr_scheduler.StepLR(r, 3, 0.5), by_epoch=True)
    yield schedule("multi-step", {"epochs": [2, 5, 9], "factor": 0.1},
                   lambda r: lr_scheduler.MultiStepLR(r, [2, 5, 9], 0.1), by_epoch=True)
    yield schedule("polynomial", {"end": 0, "power": 2}, lambda r: lr_scheduler.PolynomialLR(r, TOTAL, 2))
    yield schedule("cosine", {"alpha": 0.1}, lambda r: lr_scheduler.CosineAnnealingLR(r, TOTAL, 0.1 * RATE))
    yield schedule("one-cycle", {}, lambda r: lr_scheduler.OneCycleLR(r, RATE, TOTAL))
    yield schedule("one-cycle", {"pct-start": 0.45, "div-factor": 10, "final-div-factor": 100, "linear": 1},
                   lambda r: lr_scheduler.OneCycleLR(r, RATE, TOTAL, pct_start=0.45, anneal_strategy="linear",
                                                     div_factor=10, final_div_factor=100))
    yield schedule("cosine", {"alpha": 0, "warmup": 8},
                   lambda r: warm(r, 8, lambda r: lr_scheduler.CosineAnnealingLR(r, TOTAL - 8)))
    yield schedule("exponential", {"rate": 0.9, "steps": 1, "warmup": 5},
                   lambda r: warm(r, 5, lambda r: lr_scheduler.ExponentialLR(r, 0.9)))


random.seed(SEED)
# NAdam keeps a product in the default type.
torch.set_default_dtype(torch.float64)
lines = lambda cases: "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]"
content = f'{{"optimizers": {lines(optimizers())},\n"schedules": {lines(schedules())}}}\n'
pathlib.Path(__file__).with_name("optimizers.json").write_text(content)
