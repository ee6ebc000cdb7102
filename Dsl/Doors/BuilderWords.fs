// Written from the catalogues by the tests: CNN_ACCEPT=1 ./cnn test --filter-test-list Docs.words
namespace CnnCluster.Dsl.Building

open System
open System.Runtime.CompilerServices

/// The layers and activations.
[<Extension; AbstractClass; Sealed>]
type LayerMethods =
    /// x
    [<Extension>]
    static member Linear(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("linear", arguments)

    /// max(0, x)
    [<Extension>]
    static member Relu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("relu", arguments)

    /// min(6, max(0, x))
    [<Extension>]
    static member Relu6(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("relu6", arguments)

    /// x where x > 0, else slope·x
    [<Extension>]
    static member Leakyrelu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("leakyrelu", arguments)

    /// x where x > 0, else alpha·(eˣ − 1)
    [<Extension>]
    static member Elu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("elu", arguments)

    /// 1.0507·elu(x) with alpha 1.6733: keeps mean 0 and variance 1
    [<Extension>]
    static member Selu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("selu", arguments)

    /// x·Φ(x), Φ the normal distribution itself, not an approximation
    [<Extension>]
    static member Gelu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("gelu", arguments)

    /// x·σ(x), σ the sigmoid
    [<Extension>]
    static member Silu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("silu", arguments)

    /// another name of silu
    [<Extension>]
    static member Swish(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("swish", arguments)

    /// x·tanh(ln(1 + eˣ))
    [<Extension>]
    static member Mish(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("mish", arguments)

    /// ln(1 + eˣ)
    [<Extension>]
    static member Softplus(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("softplus", arguments)

    /// x / (1 + |x|)
    [<Extension>]
    static member Softsign(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("softsign", arguments)

    /// tanh x
    [<Extension>]
    static member Tanh(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("tanh", arguments)

    /// 1 / (1 + e⁻ˣ)
    [<Extension>]
    static member Sigmoid(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("sigmoid", arguments)

    /// min(1, max(0, x/6 + 1/2))
    [<Extension>]
    static member Hardsigmoid(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("hardsigmoid", arguments)

    /// x·hardsigmoid(x)
    [<Extension>]
    static member Hardswish(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("hardswish", arguments)

    /// eˣ
    [<Extension>]
    static member Exponential(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("exponential", arguments)

    /// eˣ / Σ eˣ, over the channels
    [<Extension>]
    static member Softmax(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("softmax", arguments)

    /// x − ln Σ eˣ, over the channels
    [<Extension>]
    static member Logsoftmax(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("logsoftmax", arguments)

    /// x where x > 0, else alpha·(e^(x/alpha) − 1)
    [<Extension>]
    static member Celu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("celu", arguments)

    /// min(1, max(−1, x))
    [<Extension>]
    static member Hardtanh(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("hardtanh", arguments)

    /// x where |x| > threshold, else 0
    [<Extension>]
    static member Hardshrink(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("hardshrink", arguments)

    /// x less threshold where x > threshold, x plus threshold where x < −threshold, else 0
    [<Extension>]
    static member Softshrink(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("softshrink", arguments)

    /// x − tanh x
    [<Extension>]
    static member Tanhshrink(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("tanhshrink", arguments)

    /// ln(1 / (1 + e⁻ˣ))
    [<Extension>]
    static member Logsigmoid(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("logsigmoid", arguments)

    /// (x + √(x² + b)) / 2
    [<Extension>]
    static member Squareplus(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("squareplus", arguments)

    /// min(1, max(0, (x + 1)/2))
    [<Extension>]
    static member Sparsesigmoid(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("sparsesigmoid", arguments)

    /// 0 where x ≤ −1, (x + 1)²/4 up to x = 1, then x
    [<Extension>]
    static member Sparseplus(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("sparseplus", arguments)

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
    [<Extension>]
    static member Conv(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("conv", arguments)

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
    [<Extension>]
    static member Depthwise(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("depthwise", arguments)

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
    [<Extension>]
    static member Separable(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("separable", arguments)

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
    [<Extension>]
    static member Convtranspose(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("convtranspose", arguments)

    /// The greatest element of each window, channel by channel; padding never wins.
    /// - size: The window's sides: one number, or one for each axis.
    /// - stride: How far the window moves.
    /// - pad: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - ceil: Whether a last window that reaches over the edge counts.
    /// In a script: input 28x28x6; maxpool 2x2; maxpool 3 stride=2 pad=1
    [<Extension>]
    static member Maxpool(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("maxpool", arguments)

    /// The mean of each window, channel by channel, over those of its elements that lie in the input: padding is not counted.
    /// - size: The window's sides: one number, or one for each axis.
    /// - stride: How far the window moves.
    /// - pad: same, valid, a number, one for each axis, or [begin end; begin end].
    /// - ceil: Whether a last window that reaches over the edge counts.
    /// - count-pad: Whether padding counts as elements of 0.
    /// In a script: input 28x28x6; avgpool 2x2; avgpool 3 stride=1 pad=same; avgpool 3 stride=1 pad=1 count-pad
    [<Extension>]
    static member Avgpool(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("avgpool", arguments)

    /// The mean of all pixels, channel by channel.
    /// - keep: Whether sides of 1 are kept, for layers that take images.
    /// In a script: input 7x7x512; globalavgpool; dense 10
    [<Extension>]
    static member Globalavgpool(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("globalavgpool", arguments)

    /// The greatest of all pixels, channel by channel.
    /// - keep: Whether sides of 1 are kept, for layers that take images.
    /// In a script: input 7x7x512; globalmaxpool; dense 10
    [<Extension>]
    static member Globalmaxpool(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("globalmaxpool", arguments)

    /// The mean of each of size windows that share the input out, channel by channel.
    /// - size: The output's sides: one number, or one for each axis.
    /// In a script: input 13x17x64; adaptiveavgpool 6x6; flatten; dense 10
    [<Extension>]
    static member Adaptiveavgpool(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("adaptiveavgpool", arguments)

    /// The greatest element of each of size windows that share the input out, channel by channel.
    /// - size: The output's sides: one number, or one for each axis.
    /// In a script: input 13x17x64; adaptivemaxpool 6x6; flatten; dense 10
    [<Extension>]
    static member Adaptivemaxpool(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("adaptivemaxpool", arguments)

    /// Enlarges by whole factors: each element is repeated, or new ones are interpolated.
    /// - factor: How many times each side: one number, or one for each axis.
    /// - mode: Whether elements are repeated or interpolated.
    /// In a script: input 7x7x16; upsample 2; conv 8 3 pad=same; upsample 2x3 bilinear
    [<Extension>]
    static member Upsample(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("upsample", arguments)

    /// One vector of all elements, in the order channel, height, width.
    /// In a script: input 5x5x16; flatten; dense 10
    [<Extension>]
    static member Flatten(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("flatten", arguments)

    /// The same elements in another shape, in the order channel, height, width.
    /// - shape: Sides, then channels, as in 7x7x16; one number for a vector.
    /// In a script: input 100; dense 784 relu; reshape 7x7x16; convtranspose 1 4 stride=4
    [<Extension>]
    static member Reshape(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("reshape", arguments)

    /// Connects every feature of a vector with every unit.
    /// - units: How many outputs.
    /// - bias: Whether a bias is added, one for each output channel.
    /// - kernel-init: Where the kernel's first values come from.
    /// - bias-init: Where the bias' first values come from.
    /// - kernel-reg: The kernel's regularization loss.
    /// - bias-reg: The bias' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x1; flatten; dense 120 relu; dense 10 kernel-reg=l2(1e-4)
    [<Extension>]
    static member Dense(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("dense", arguments)

    /// In training, sets each element to 0 with the probability rate and scales the others up; else it does nothing.
    /// - rate: The share of elements that is dropped.
    /// In a script: input 120; dropout 0.2; dense 10
    [<Extension>]
    static member Dropout(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("dropout", arguments)

    /// In training, sets whole channels to 0 with the probability rate and scales the others up; else it does nothing.
    /// - rate: The share of channels that is dropped.
    /// In a script: input 28x28x8; spatialdropout 0.2; conv 16 3
    [<Extension>]
    static member Spatialdropout(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("spatialdropout", arguments)

    /// Brings each channel to mean 0 and variance 1 over the batch, then scales and shifts it.
    /// - momentum: How much of the running statistics a step keeps.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - sync: Statistics of the global batch; `no` takes each worker's own slice.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x6; batchnorm relu; conv 8 3 bias=no; batchnorm momentum=0.9 epsilon=1e-5
    [<Extension>]
    static member Batchnorm(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("batchnorm", arguments)

    /// Divides each element by a power of the squares of its neighbours in other channels.
    /// - size: How many channels are summed; an odd number.
    /// - alpha: The weight of the squares.
    /// - beta: The exponent.
    /// - k: Added to the squares.
    /// In a script: input 28x28x96; localresponsenorm; localresponsenorm 3 alpha=5e-5 k=1
    [<Extension>]
    static member Localresponsenorm(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("localresponsenorm", arguments)

    /// Brings the channels of each pixel, or all elements of a sample, to mean 0 and variance 1, then scales and shifts them.
    /// - over: What is normalised together: the channels of each pixel, or all elements of a sample.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 14x14x64; layernorm; conv 256 1 gelu; layernorm over=all epsilon=1e-6
    [<Extension>]
    static member Layernorm(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("layernorm", arguments)

    /// Brings groups of channels of each sample to mean 0 and variance 1, then scales and shifts each channel.
    /// - groups: How many groups the channels are dealt out to.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x64; groupnorm relu; conv 16 3; groupnorm 4 epsilon=1e-5
    [<Extension>]
    static member Groupnorm(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("groupnorm", arguments)

    /// Brings each channel of each sample to mean 0 and variance 1, then scales and shifts it.
    /// - epsilon: Added to the variance, under the root.
    /// - scale: Whether a scale is learned.
    /// - shift: Whether a shift is learned.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x3; conv 16 3; instancenorm relu; instancenorm scale=no shift=no
    [<Extension>]
    static member Instancenorm(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("instancenorm", arguments)

    /// In training, adds a normal number to each element; else it does nothing.
    /// - deviation: The deviation of the noise.
    /// In a script: input 28x28x1; gaussiannoise 0.1; conv 8 3
    [<Extension>]
    static member Gaussiannoise(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("gaussiannoise", arguments)

    /// In training, multiplies each element by a normal number of mean 1; else it does nothing.
    /// - rate: The rate of the dropout that it stands for.
    /// In a script: input 120; gaussiandropout 0.2; dense 10
    [<Extension>]
    static member Gaussiandropout(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("gaussiandropout", arguments)

    /// Multiplies by a number and adds another, both fixed.
    /// - scale: What each element is multiplied by.
    /// - offset: What is added then.
    /// In a script: input 28x28x1; rescale 1/127.5 offset=-1; conv 8 3
    [<Extension>]
    static member Rescale(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("rescale", arguments)

    /// ReLU with a learned slope for negative elements, one for each channel.
    /// - alpha-init: Where the slopes' first values come from.
    /// - alpha-reg: The slopes' regularization loss.
    /// - frozen: Keeps the weights as they are: they are saved and loaded, but not trained.
    /// In a script: input 28x28x1; conv 8 3; prelu; conv 8 3; prelu alpha-init=constant(0.25)
    [<Extension>]
    static member Prelu(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("prelu", arguments)

    /// Adds zeros around the image.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; zeropad 2; conv 8 3; zeropad [0 1; 0 1]
    [<Extension>]
    static member Zeropad(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("zeropad", arguments)

    /// Adds elements of one value around the image.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// - value: The value of what is added.
    /// In a script: input 28x28x1; constantpad 2 value=-1; constantpad 1x0
    [<Extension>]
    static member Constantpad(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("constantpad", arguments)

    /// Mirrors the image at its outermost elements, which are not repeated.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; reflectpad 2; conv 8 5
    [<Extension>]
    static member Reflectpad(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("reflectpad", arguments)

    /// Repeats the outermost elements around the image.
    /// - amount: How many elements, on all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; replicatepad [1 2; 0 1]; conv 8 3
    [<Extension>]
    static member Replicatepad(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("replicatepad", arguments)

    /// Takes elements away around the image.
    /// - amount: How many elements, from all sides: a number, one for each axis, or [top bottom; left right].
    /// In a script: input 28x28x1; crop 2; crop [0 1; 3 0]
    [<Extension>]
    static member Crop(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("crop", arguments)

    /// The sum of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; add start here relu; add { conv 4 1 } { }
    [<Extension>]
    static member Add(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("add", arguments)

    /// The sum of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; add start here relu; add { conv 4 1 } { }
    [<Extension>]
    static member Add
        (
            body: BodyBuilder,
            first: Func<BodyBuilder, BodyBuilder>,
            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]
        ) =
        body.Merge("add", Array.append [| first |] others)

    /// The first operand less the others, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; subtract start here relu; subtract { conv 4 1 } { }
    [<Extension>]
    static member Subtract(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("subtract", arguments)

    /// The first operand less the others, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; subtract start here relu; subtract { conv 4 1 } { }
    [<Extension>]
    static member Subtract
        (
            body: BodyBuilder,
            first: Func<BodyBuilder, BodyBuilder>,
            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]
        ) =
        body.Merge("subtract", Array.append [| first |] others)

    /// The product of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; multiply start here relu; multiply { conv 4 1 } { }
    [<Extension>]
    static member Multiply(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("multiply", arguments)

    /// The product of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; multiply start here relu; multiply { conv 4 1 } { }
    [<Extension>]
    static member Multiply
        (
            body: BodyBuilder,
            first: Func<BodyBuilder, BodyBuilder>,
            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]
        ) =
        body.Merge("multiply", Array.append [| first |] others)

    /// The mean of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; average start here relu; average { conv 4 1 } { }
    [<Extension>]
    static member Average(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("average", arguments)

    /// The mean of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; average start here relu; average { conv 4 1 } { }
    [<Extension>]
    static member Average
        (
            body: BodyBuilder,
            first: Func<BodyBuilder, BodyBuilder>,
            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]
        ) =
        body.Merge("average", Array.append [| first |] others)

    /// The greatest of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; maximum start here relu; maximum { conv 4 1 } { }
    [<Extension>]
    static member Maximum(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("maximum", arguments)

    /// The greatest of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; maximum start here relu; maximum { conv 4 1 } { }
    [<Extension>]
    static member Maximum
        (
            body: BodyBuilder,
            first: Func<BodyBuilder, BodyBuilder>,
            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]
        ) =
        body.Merge("maximum", Array.append [| first |] others)

    /// The least of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; minimum start here relu; minimum { conv 4 1 } { }
    [<Extension>]
    static member Minimum(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("minimum", arguments)

    /// The least of its operands, element by element.
    /// In a script: input 8x8x4 as start; conv 4 3 pad=same; minimum start here relu; minimum { conv 4 1 } { }
    [<Extension>]
    static member Minimum
        (
            body: BodyBuilder,
            first: Func<BodyBuilder, BodyBuilder>,
            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]
        ) =
        body.Merge("minimum", Array.append [| first |] others)

    /// The channels of its operands, one after the other; of vectors, their features.
    /// In a script: input 8x8x4 as start; concat start { conv 8 3 pad=same } { maxpool 3 stride=1 pad=1 }
    [<Extension>]
    static member Concat(body: BodyBuilder, [<ParamArray>] arguments: obj[]) =
        body.Layer("concat", arguments)

    /// The channels of its operands, one after the other; of vectors, their features.
    /// In a script: input 8x8x4 as start; concat start { conv 8 3 pad=same } { maxpool 3 stride=1 pad=1 }
    [<Extension>]
    static member Concat
        (
            body: BodyBuilder,
            first: Func<BodyBuilder, BodyBuilder>,
            [<ParamArray>] others: Func<BodyBuilder, BodyBuilder>[]
        ) =
        body.Merge("concat", Array.append [| first |] others)

/// The statements of a train part.
[<Extension; AbstractClass; Sealed>]
type TrainMethods =
    /// The data set. A network's input takes the set's input of the same name or, if there is none, the one of the same number; the shapes must be the same.
    [<Extension>]
    static member Data(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("data", arguments)

    /// What is made small: the weighted sum of all losses, whose mean over samples is train_loss and val_loss, together with the regularizers' sum.
    [<Extension>]
    static member Loss(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("loss", arguments)

    /// A figure of the output besides the loss.
    [<Extension>]
    static member Metric(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("metric", arguments)

    /// Holds out a share of the training samples, the last ones before shuffling, and validates on them instead.
    [<Extension>]
    static member Validation(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("validation", arguments)

    /// Changes training samples at random, anew in each epoch, and never validation samples.
    [<Extension>]
    static member Augment(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("augment", arguments)

    /// How the weights are changed.
    [<Extension>]
    static member Optimizer(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("optimizer", arguments)

    /// How the learning rate changes over the run.
    [<Extension>]
    static member Schedule(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("schedule", arguments)

    /// Bounds the gradient, once the regularizers' is added. One of the three.
    [<Extension>]
    static member Clip(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("clip", arguments)

    /// Batches whose samples make one step together: the step's gradient is the mean over batch·N samples.
    [<Extension>]
    static member Accumulate(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("accumulate", arguments)

    /// What is computed with: float32 or float64; bfloat16 or float16 for the products of convolutions and dense layers, and float32 for all else.
    [<Extension>]
    static member Precision(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("precision", arguments)

    /// Samples of a batch, over all workers; the last batch of an epoch holds what is left.
    [<Extension>]
    static member Batch(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("batch", arguments)

    /// Rounds through the training samples, at most.
    [<Extension>]
    static member Epochs(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("epochs", arguments)

    /// Stops when a figure, measured over all workers at the end of each epoch, does not improve any more.
    [<Extension>]
    static member EarlyStop(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("early-stop", arguments)

    /// A whole number from 0 to 2⁵³ − 1. First weights, the samples' order, dropout and augmentations follow from it.
    [<Extension>]
    static member Seed(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("seed", arguments)

    /// The same bits whatever the number of workers, up to S: each batch is cut into S shards, whoever computes them, and their sums are added along one fixed tree.
    [<Extension>]
    static member Exact(train: TrainBuilder, [<ParamArray>] arguments: obj[]) =
        train.Setting("exact", arguments)
