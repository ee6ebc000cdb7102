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

    /// 1.0507·elu(x) with alpha 1.6733: keeps mean 0 and variance 1
    static member selu = Writing.useOf "selu" []

    /// x·Φ(x), Φ the normal distribution itself, not an approximation
    static member gelu = Writing.useOf "gelu" []

    /// x·σ(x), σ the sigmoid
    static member silu = Writing.useOf "silu" []

    /// another name of silu
    static member swish = Writing.useOf "swish" []

    /// x·tanh(ln(1 + eˣ))
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

    /// eˣ / Σ eˣ, over the channels
    static member softmax = Writing.useOf "softmax" []

    /// x − ln Σ eˣ, over the channels
    static member logsoftmax = Writing.useOf "logsoftmax" []

    /// x where x > 0, else alpha·(e^(x/alpha) − 1)
    static member celu([<ParamArray>] arguments: obj[]) =
        Writing.useOf "celu" arguments

    /// min(1, max(−1, x))
    static member hardtanh = Writing.useOf "hardtanh" []

    /// x where |x| > threshold, else 0
    static member hardshrink([<ParamArray>] arguments: obj[]) =
        Writing.useOf "hardshrink" arguments

    /// x less threshold where x > threshold, x plus threshold where x < −threshold, else 0
    static member softshrink([<ParamArray>] arguments: obj[]) =
        Writing.useOf "softshrink" arguments

    /// x − tanh x
    static member tanhshrink = Writing.useOf "tanhshrink" []

    /// ln(1 / (1 + e⁻ˣ))
    static member logsigmoid = Writing.useOf "logsigmoid" []

    /// (x + √(x² + b)) / 2
    static member squareplus([<ParamArray>] arguments: obj[]) =
        Writing.useOf "squareplus" arguments

    /// min(1, max(0, (x + 1)/2))
    static member sparsesigmoid = Writing.useOf "sparsesigmoid" []

    /// 0 where x ≤ −1, (x + 1)²/4 up to x = 1, then x
    static member sparseplus = Writing.useOf "sparseplus" []

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

    /// Convolution of each channel by itself, with kernels of its own.
    /// - size: The kernel's sides: one number, or one for each axis.
    /// - stride: How far the kernel moves.
    /// - pad: What is added around the input, all 0: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - dilation: How far apart the kernel's elements lie.
    /// - multiplier: How many kernels, and so outputs, each channel has.
    /// - kernel: The kernel's numbers, rows from above, or the name of a fixed kernel: it is not trained, and has no bias.
    /// - bias: Whether a bias is added, one for each output channel.
    /// - kernel-init: Where the kernel's first values come from.
    /// - bias-init: Where the bias' first values come from.
    /// - kernel-reg: The kernel's regularization loss.
    /// - bias-reg: The bias' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x8; depthwise 3x3 pad=same relu; depthwise 3 stride=2 multiplier=2; depthwise kernel=gaussian
    static member depthwise([<ParamArray>] arguments: obj[]) =
        Writing.useOf "depthwise" arguments

    /// A depthwise convolution without bias, then a convolution of size 1 that mixes the channels.
    /// - filters: How many output channels.
    /// - size: The sides of the depthwise kernel: one number, or one for each axis.
    /// - stride: How far the kernel moves.
    /// - pad: What is added around the input, all 0: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - dilation: How far apart the kernel's elements lie.
    /// - multiplier: How many kernels, and so outputs, each channel has.
    /// - bias: Whether a bias is added, one for each output channel.
    /// - depthwise-init: Where the depthwise kernel's first values come from.
    /// - pointwise-init: Where the pointwise kernel's first values come from.
    /// - bias-init: Where the bias' first values come from.
    /// - depthwise-reg: The depthwise kernel's regularization loss.
    /// - pointwise-reg: The pointwise kernel's regularization loss.
    /// - bias-reg: The bias' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x8; separable 16 3x3 pad=same relu; separable 32 3 stride=2 multiplier=2 bias=no
    static member separable([<ParamArray>] arguments: obj[]) =
        Writing.useOf "separable" arguments

    /// Transposed convolution: each element of the input adds the kernel, times itself, to the output.
    /// - filters: How many output channels.
    /// - size: The kernel's sides: one number, or one for each axis.
    /// - stride: How far apart the input's elements lie in the output.
    /// - pad: What is left out around the output: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - output-pad: What is added to the output's end, with a padding in numbers; less than the greater of stride and dilation.
    /// - dilation: How far apart the kernel's elements lie.
    /// - groups: Groups of channels that see only themselves.
    /// - bias: Whether a bias is added, one for each output channel.
    /// - kernel-init: Where the kernel's first values come from.
    /// - bias-init: Where the bias' first values come from.
    /// - kernel-reg: The kernel's regularization loss.
    /// - bias-reg: The bias' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 7x7x16; convtranspose 8 2x2 stride=2 relu; convtranspose 4 3 stride=2 pad=same; convtranspose 1 3 stride=2 pad=1 output-pad=1
    static member convtranspose([<ParamArray>] arguments: obj[]) =
        Writing.useOf "convtranspose" arguments

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
    /// - count-pad: Whether padding counts as elements of 0.
    /// In a script: input 28x28x6; avgpool 2x2; avgpool 3 stride=1 pad=same; avgpool 3 stride=1 pad=1 count-pad
    static member avgpool([<ParamArray>] arguments: obj[]) =
        Writing.useOf "avgpool" arguments

    /// The mean of all pixels, channel by channel.
    /// - keep: Whether sides of 1 are kept, for layers that take images.
    /// In a script: input 7x7x512; globalavgpool; dense 10
    static member globalavgpool([<ParamArray>] arguments: obj[]) =
        Writing.useOf "globalavgpool" arguments

    /// The greatest of all pixels, channel by channel.
    /// - keep: Whether sides of 1 are kept, for layers that take images.
    /// In a script: input 7x7x512; globalmaxpool; dense 10
    static member globalmaxpool([<ParamArray>] arguments: obj[]) =
        Writing.useOf "globalmaxpool" arguments

    /// The mean of each of size windows that share the input out, channel by channel.
    /// - size: The output's sides: one number, or one for each axis.
    /// In a script: input 13x17x64; adaptiveavgpool 6x6; flatten; dense 10
    static member adaptiveavgpool([<ParamArray>] arguments: obj[]) =
        Writing.useOf "adaptiveavgpool" arguments

    /// The greatest element of each of size windows that share the input out, channel by channel.
    /// - size: The output's sides: one number, or one for each axis.
    /// In a script: input 13x17x64; adaptivemaxpool 6x6; flatten; dense 10
    static member adaptivemaxpool([<ParamArray>] arguments: obj[]) =
        Writing.useOf "adaptivemaxpool" arguments

    /// Enlarges by whole factors: each element is repeated, or new ones are interpolated.
    /// - factor: How many times each side: one number, or one for each axis.
    /// - mode: Whether elements are repeated or interpolated.
    /// In a script: input 7x7x16; upsample 2; conv 8 3 pad=same; upsample 2x3 bilinear
    static member upsample([<ParamArray>] arguments: obj[]) =
        Writing.useOf "upsample" arguments

    /// One vector of all elements, in the order channel, height, width.
    /// In a script: input 5x5x16; flatten; dense 10
    static member flatten([<ParamArray>] arguments: obj[]) =
        Writing.useOf "flatten" arguments

    /// The same elements in another shape, in the order channel, height, width.
    /// - shape: Sides, then channels, as in 7x7x16; one number for a vector.
    /// In a script: input 100; dense 784 relu; reshape 7x7x16; convtranspose 1 4 stride=4
    static member reshape([<ParamArray>] arguments: obj[]) =
        Writing.useOf "reshape" arguments

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

    /// In training, sets whole channels to 0 with the probability rate and scales the others up; else it does nothing.
    /// - rate: The share of channels that is dropped.
    /// In a script: input 28x28x8; spatialdropout 0.2; conv 16 3
    static member spatialdropout([<ParamArray>] arguments: obj[]) =
        Writing.useOf "spatialdropout" arguments

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

    /// Divides each element by a power of the squares of its neighbours in other channels.
    /// - size: How many channels are summed; an odd number.
    /// - alpha: The weight of the squares.
    /// - beta: The exponent.
    /// - k: Added to the squares.
    /// In a script: input 28x28x96; localresponsenorm; localresponsenorm 3 alpha=5e-5 k=1
    static member localresponsenorm([<ParamArray>] arguments: obj[]) =
        Writing.useOf "localresponsenorm" arguments

    /// Brings the channels of each pixel, or all elements of a sample, to mean 0 and variance 1, then scales and shifts them.
    /// - over: What is normalised together: the channels of each pixel, or all elements of a sample.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 14x14x64; layernorm; conv 256 1 gelu; layernorm over=all epsilon=1e-6
    static member layernorm([<ParamArray>] arguments: obj[]) =
        Writing.useOf "layernorm" arguments

    /// Brings groups of channels of each sample to mean 0 and variance 1, then scales and shifts each channel.
    /// - groups: How many groups the channels are dealt out to.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x64; groupnorm relu; conv 16 3; groupnorm 4 epsilon=1e-5
    static member groupnorm([<ParamArray>] arguments: obj[]) =
        Writing.useOf "groupnorm" arguments

    /// Brings each channel of each sample to mean 0 and variance 1, then scales and shifts it.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x3; conv 16 3; instancenorm relu; instancenorm scale=no shift=no
    static member instancenorm([<ParamArray>] arguments: obj[]) =
        Writing.useOf "instancenorm" arguments

    /// In training, adds a normal number to each element; else it does nothing.
    /// - deviation: The deviation of the noise.
    /// In a script: input 28x28x1; gaussiannoise 0.1; conv 8 3
    static member gaussiannoise([<ParamArray>] arguments: obj[]) =
        Writing.useOf "gaussiannoise" arguments

    /// In training, multiplies each element by a normal number of mean 1; else it does nothing.
    /// - rate: The rate of the dropout that it stands for.
    /// In a script: input 120; gaussiandropout 0.2; dense 10
    static member gaussiandropout([<ParamArray>] arguments: obj[]) =
        Writing.useOf "gaussiandropout" arguments

    /// Multiplies by a number and adds another, both fixed.
    /// - scale: What each element is multiplied by.
    /// - offset: What is added then.
    /// In a script: input 28x28x1; rescale 1/127.5 offset=-1; conv 8 3
    static member rescale([<ParamArray>] arguments: obj[]) =
        Writing.useOf "rescale" arguments

    /// ReLU with a learned slope for negative elements, one for each channel.
    /// - alpha-init: Where the slopes' first values come from.
    /// - alpha-reg: The slopes' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x1; conv 8 3; prelu; conv 8 3; prelu alpha-init=constant(0.25)
    static member prelu([<ParamArray>] arguments: obj[]) =
        Writing.useOf "prelu" arguments

    /// Adds zeros around the image.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; zeropad 2; conv 8 3; zeropad [0 1; 0 1]
    static member zeropad([<ParamArray>] arguments: obj[]) =
        Writing.useOf "zeropad" arguments

    /// Adds elements of one value around the image.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// - value: The value of what is added.
    /// In a script: input 28x28x1; constantpad 2 value=-1; constantpad 1x0
    static member constantpad([<ParamArray>] arguments: obj[]) =
        Writing.useOf "constantpad" arguments

    /// Mirrors the image at its outermost elements, which are not repeated.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; reflectpad 2; conv 8 5
    static member reflectpad([<ParamArray>] arguments: obj[]) =
        Writing.useOf "reflectpad" arguments

    /// Repeats the outermost elements around the image.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; replicatepad [1 2; 0 1]; conv 8 3
    static member replicatepad([<ParamArray>] arguments: obj[]) =
        Writing.useOf "replicatepad" arguments

    /// Takes elements away around the image.
    /// - amount: How many elements, from all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; crop 2; crop [0 1; 3 0]
    static member crop([<ParamArray>] arguments: obj[]) =
        Writing.useOf "crop" arguments

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
    /// The data set. A network's input takes the set's input of the same name or, if there is none, the one of the same number; the shapes must be the same.
    static member data([<ParamArray>] arguments: obj[]) =
        Writing.useOf "data" arguments

    /// What is made small: the weighted sum of all losses, whose mean over samples is train_loss and val_loss, together with the regularizers' sum.
    static member loss([<ParamArray>] arguments: obj[]) =
        Writing.useOf "loss" arguments

    /// A figure of the output besides the loss.
    static member metric([<ParamArray>] arguments: obj[]) =
        Writing.useOf "metric" arguments

    /// Holds out a share of the training samples, the last ones before shuffling, and validates on them instead.
    static member validation([<ParamArray>] arguments: obj[]) =
        Writing.useOf "validation" arguments

    /// Changes training samples at random, anew in each epoch, and never validation samples.
    static member augment([<ParamArray>] arguments: obj[]) =
        Writing.useOf "augment" arguments

    /// How the weights are changed.
    static member optimizer([<ParamArray>] arguments: obj[]) =
        Writing.useOf "optimizer" arguments

    /// How the learning rate changes over the run.
    static member schedule([<ParamArray>] arguments: obj[]) =
        Writing.useOf "schedule" arguments

    /// Bounds the gradient, once the regularizers' is added. One of the three.
    static member clip([<ParamArray>] arguments: obj[]) =
        Writing.useOf "clip" arguments

    /// Batches whose samples make one step together: the step's gradient is the mean over batch·N samples.
    static member accumulate([<ParamArray>] arguments: obj[]) =
        Writing.useOf "accumulate" arguments

    /// What is computed with: float32 or float64; bfloat16 or float16 for the products of convolutions and dense layers, and float32 for all else.
    static member precision([<ParamArray>] arguments: obj[]) =
        Writing.useOf "precision" arguments

    /// Samples of a batch, over all workers; the last batch of an epoch holds what is left.
    static member batch([<ParamArray>] arguments: obj[]) =
        Writing.useOf "batch" arguments

    /// Rounds through the training samples, at most.
    static member epochs([<ParamArray>] arguments: obj[]) =
        Writing.useOf "epochs" arguments

    /// Stops when a figure, measured over all workers at the end of each epoch, does not improve any more.
    static member earlyStop([<ParamArray>] arguments: obj[]) =
        Writing.useOf "early-stop" arguments

    /// A whole number from 0 to 2⁵³ − 1. First weights, the samples' order, dropout and augmentations follow from it.
    static member seed([<ParamArray>] arguments: obj[]) =
        Writing.useOf "seed" arguments

    /// The same bits whatever the number of workers, up to S: each batch is cut into S shards, whoever computes them, and their sums are added along one fixed tree.
    static member exact([<ParamArray>] arguments: obj[]) =
        Writing.useOf "exact" arguments
