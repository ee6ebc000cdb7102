// Written from the catalogues by the tests: CNN_ACCEPT=1 ./cnn test --filter-test-list Docs.words
namespace CnnCluster.Dsl.Embedded

open System
open CnnCluster.Dsl.Doors

/// The activations: lines of their own, or arguments.
[<AbstractClass; Sealed; AutoOpen>]
type ActivationWords =
    /// x
    static member linear = Writing.useOf "linear" []

    /// max(0, x)
    static member relu = Writing.useOf "relu" []

    /// min(6, max(0, x))
    static member relu6 = Writing.useOf "relu6" []

    /// x where x > 0, else slope·x
    static member leakyrelu([<ParamArray>] arguments: obj[]) =
        Writing.useOf "leakyrelu" arguments

    /// x where x > 0, else alpha·(eˣ − 1)
    static member elu([<ParamArray>] arguments: obj[]) =
        Writing.useOf "elu" arguments

    /// elu, scaled to keep mean 0 and variance 1 (Klambauer et al. 2017)
    static member selu = Writing.useOf "selu" []

    /// x·Φ(x) (Hendrycks, Gimpel 2016)
    static member gelu = Writing.useOf "gelu" []

    /// x·σ(x)
    static member silu = Writing.useOf "silu" []

    /// The same as silu.
    static member swish = Writing.useOf "swish" []

    /// x·tanh(ln(1 + eˣ)) (Misra 2019)
    static member mish = Writing.useOf "mish" []

    /// ln(1 + eˣ)
    static member softplus = Writing.useOf "softplus" []

    /// x / (1 + |x|)
    static member softsign = Writing.useOf "softsign" []

    /// tanh x
    static member tanh = Writing.useOf "tanh" []

    /// 1 / (1 + e⁻ˣ)
    static member sigmoid = Writing.useOf "sigmoid" []

    /// min(1, max(0, x/6 + 1/2))
    static member hardsigmoid = Writing.useOf "hardsigmoid" []

    /// x·hardsigmoid(x)
    static member hardswish = Writing.useOf "hardswish" []

    /// eˣ
    static member exponential = Writing.useOf "exponential" []

    /// eˣ / Σ eˣ over the channels
    static member softmax = Writing.useOf "softmax" []

    /// ln softmax
    static member logsoftmax = Writing.useOf "logsoftmax" []

/// The layers.
[<AbstractClass; Sealed; AutoOpen>]
type LayerWords =
    /// Convolution over one, two or three sides, as many as the input has.
    /// - filters: How many kernels, and so output channels; 1 with 'kernel'.
    /// - size: The kernel's sides: one number, or one for each axis.
    /// - stride: How far the kernel moves.
    /// - pad: What is added around the input, all 0: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - dilation: How far apart the kernel's elements lie.
    /// - groups: Groups of channels that see only themselves.
    /// - kernel: The kernel's numbers, rows from above, or the name of a fixed kernel: it is not trained, and has no bias.
    /// - bias: Whether a bias is added, one for each output channel.
    /// - kernel-init: Where the kernel's first values come from.
    /// - bias-init: Where the bias' first values come from.
    /// - kernel-reg: The kernel's regularization loss.
    /// - bias-reg: The bias' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x1; conv 6 5x5 pad=same relu; conv 16 3 stride=2; conv 8 3 dilation=2 groups=4
    static member conv([<ParamArray>] arguments: obj[]) =
        Writing.useOf "conv" arguments

    /// The greatest element of each window, channel by channel; padding never wins.
    /// - size: The window's sides: one number, or one for each axis.
    /// - stride: How far the window moves.
    /// - pad: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - ceil: Whether a last window that reaches over the edge counts.
    /// In a script: input 28x28x6; maxpool 2x2; maxpool 3 stride=2 pad=1
    static member maxpool([<ParamArray>] arguments: obj[]) =
        Writing.useOf "maxpool" arguments

    /// The mean of each window, channel by channel, over those of its elements that lie in the input: padding is not counted.
    /// - size: The window's sides: one number, or one for each axis.
    /// - stride: How far the window moves.
    /// - pad: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - ceil: Whether a last window that reaches over the edge counts.
    /// In a script: input 28x28x6; avgpool 2x2; avgpool 3 stride=1 pad=same
    static member avgpool([<ParamArray>] arguments: obj[]) =
        Writing.useOf "avgpool" arguments

    /// One vector of all elements, in the order channel, height, width.
    /// In a script: input 5x5x16; flatten; dense 10
    static member flatten([<ParamArray>] arguments: obj[]) =
        Writing.useOf "flatten" arguments

    /// Connects every feature of a vector with every unit.
    /// - units: How many outputs.
    /// - bias: Whether a bias is added, one for each output channel.
    /// - kernel-init: Where the kernel's first values come from.
    /// - bias-init: Where the bias' first values come from.
    /// - kernel-reg: The kernel's regularization loss.
    /// - bias-reg: The bias' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x1; flatten; dense 120 relu; dense 10 kernel-reg=l2(1e-4)
    static member dense([<ParamArray>] arguments: obj[]) =
        Writing.useOf "dense" arguments

    /// In training, sets each element to 0 with the probability rate and scales the others up; else it does nothing.
    /// - rate: The share of elements that is dropped.
    /// In a script: input 120; dropout 0.2; dense 10
    static member dropout([<ParamArray>] arguments: obj[]) =
        Writing.useOf "dropout" arguments

    /// Brings each channel to mean 0 and variance 1 over the batch, then scales and shifts it.
    /// - momentum: How much of the running statistics a step keeps.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - sync: Statistics of the global batch; `no` takes each worker's own slice.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x6; batchnorm relu; conv 8 3 bias=no; batchnorm momentum=0.9 epsilon=1e-5
    static member batchnorm([<ParamArray>] arguments: obj[]) =
        Writing.useOf "batchnorm" arguments

    /// The sum of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; add start here relu; add { conv 4 1 } { }
    static member add([<ParamArray>] arguments: obj[]) =
        Writing.useOf "add" arguments

    /// The first operand less the others, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; subtract start here relu; subtract { conv 4 1 } { }
    static member subtract([<ParamArray>] arguments: obj[]) =
        Writing.useOf "subtract" arguments

    /// The product of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; multiply start here relu; multiply { conv 4 1 } { }
    static member multiply([<ParamArray>] arguments: obj[]) =
        Writing.useOf "multiply" arguments

    /// The mean of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; average start here relu; average { conv 4 1 } { }
    static member average([<ParamArray>] arguments: obj[]) =
        Writing.useOf "average" arguments

    /// The greatest of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; maximum start here relu; maximum { conv 4 1 } { }
    static member maximum([<ParamArray>] arguments: obj[]) =
        Writing.useOf "maximum" arguments

    /// The least of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; minimum start here relu; minimum { conv 4 1 } { }
    static member minimum([<ParamArray>] arguments: obj[]) =
        Writing.useOf "minimum" arguments

    /// The channels of its operands, one after the other; of vectors, their features.
    /// In a script: input 8x8x4 as start; concat start { conv 8 3 pad=same } { maxpool 3 stride=1 pad=1 }
    static member concat([<ParamArray>] arguments: obj[]) =
        Writing.useOf "concat" arguments

/// The statements of a train part.
[<AbstractClass; Sealed; AutoOpen>]
type TrainWords =
    /// What to train on.
    static member data([<ParamArray>] arguments: obj[]) =
        Writing.useOf "data" arguments

    /// What is made small.
    static member loss([<ParamArray>] arguments: obj[]) =
        Writing.useOf "loss" arguments

    /// What is counted besides; with cross-entropy and none given, accuracy.
    static member metric([<ParamArray>] arguments: obj[]) =
        Writing.useOf "metric" arguments

    /// The share of the training samples, the last ones, that is held out to validate on.
    static member validation([<ParamArray>] arguments: obj[]) =
        Writing.useOf "validation" arguments

    /// Changes training images at random, anew in every epoch; several are applied in turn.
    static member augment([<ParamArray>] arguments: obj[]) =
        Writing.useOf "augment" arguments

    /// The update rule.
    static member optimizer([<ParamArray>] arguments: obj[]) =
        Writing.useOf "optimizer" arguments

    /// How the learning rate goes on from the optimizer's lr, step by step.
    static member schedule([<ParamArray>] arguments: obj[]) =
        Writing.useOf "schedule" arguments

    /// Bounds the gradient: by value, by norm or by global norm.
    static member clip([<ParamArray>] arguments: obj[]) =
        Writing.useOf "clip" arguments

    /// How many batches' gradients make one step.
    static member accumulate([<ParamArray>] arguments: obj[]) =
        Writing.useOf "accumulate" arguments

    /// The type of numbers to compute with.
    static member precision([<ParamArray>] arguments: obj[]) =
        Writing.useOf "precision" arguments

    /// Samples of one step, over all workers together.
    static member batch([<ParamArray>] arguments: obj[]) =
        Writing.useOf "batch" arguments

    /// Passes over the training data.
    static member epochs([<ParamArray>] arguments: obj[]) =
        Writing.useOf "epochs" arguments

    /// When to stop before the last epoch, and which weights to end with.
    static member earlyStop([<ParamArray>] arguments: obj[]) =
        Writing.useOf "early-stop" arguments

    /// Where all random numbers come from.
    static member seed([<ParamArray>] arguments: obj[]) =
        Writing.useOf "seed" arguments

    /// The same bits whatever the number of workers.
    static member exact([<ParamArray>] arguments: obj[]) =
        Writing.useOf "exact" arguments
