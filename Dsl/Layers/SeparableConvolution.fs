/// Convolutions that keep the channels apart, alone and with a mixing of the channels behind them.
module internal CnnCluster.Dsl.Layers.SeparableConvolution

open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window

let private multiplier =
    Arguments.keyword "multiplier" (WholeNumber 1) (WholeValue 1) "How many kernels, and so outputs, each channel has."

/// The channels behind the depthwise step, where they stay within 32 bits.
let private multiplied (site: LayerSite) next =
    let channels, each = site.Input.Channels, site.Arguments.Whole "multiplier"
    let all = int64 channels * int64 each

    if all > 2147483647L then
        LayerFault.at
            "multiplier"
            $"{each} for each of {channels} channels would be {all}: there are at most 2147483647"
    else
        next (int all)

let private depthwiseShape (channels: int) (window: Window) =
    int64 channels :: 1L :: List.map int64 window.Kernel

/// Keras' fans, of a kernel (k…, C, multiplier).
let private depthwiseFans (input: Shape) (multiplier: int) window =
    { In = float input.Channels * float (area window)
      Out = float multiplier * float (area window) }

let private windowNames = [ "size"; "stride"; "dilation" ]

let private slid (site: LayerSite) (window: Window) output weights multiplyAdds forward =
    Ok
        { LayerPlan.stateless output (site.Field |> ReceptiveField.slide window.Extent window.Stride) forward with
            Weights = weights
            Arithmetic = Arithmetic.Products
            MultiplyAdds = multiplyAdds }

// ---- depthwise ----

let private depthwiseWeights (site: LayerSite) fixedKernel channels window =
    let values = site.Arguments
    let shape = depthwiseShape channels window

    match fixedKernel with
    | Some rows -> [ FixedKernels.weight shape rows ]
    | None ->
        let fans = depthwiseFans site.Input (values.Whole "multiplier") window
        Weights.kernel values shape fans :: Weights.bias values channels fans

let private planDepthwise (site: LayerSite) =
    let input, values = site.Input, site.Arguments

    FixedKernels.size values input
    |> Result.bind (fun (fixedKernel, size) ->
        let window = Convolution.windowOf values size

        check window input windowNames (fun sides ->
            multiplied site (fun channels ->
                let output = { Channels = channels; Sides = sides }

                let convolve = Convolution.convolve window input.Channels

                let forward (call: LayerCall) =
                    convolve call.Input call.Weights[0] (Weights.biasOf call.Weights)

                slid
                    site
                    window
                    output
                    (depthwiseWeights site fixedKernel channels window)
                    (output.Elements |> Option.map (fun count -> count * area window))
                    forward)))

let depthwise =
    { Name = "depthwise"
      Help =
        { LayerHelp.create
              "Convolution of each channel by itself, with kernels of its own."
              "sides as conv: ⌊(n + a + b − (k − 1)·d − 1) / s⌋ + 1; with pad=same, ⌈n/s⌉. C·multiplier channels"
              "input 28x28x8; depthwise 3x3 pad=same relu; depthwise 3 stride=2 multiplier=2; depthwise kernel=gaussian" with
            Formula = "z[c·multiplier + q, i] = Σₗ w[c·multiplier + q, l]·x[c, i·s + l·d − a] + bias"
            Parameters = "C·multiplier·(∏k + 1); without bias C·multiplier·∏k"
            Cost = "elements of the output · ∏k"
            Source = "Howard et al., MobileNets, 2017"
            Notes =
                [ "Weights: kernel (C·multiplier, 1, sides…), bias (C·multiplier). Fans as in Keras: in C·∏k, out multiplier·∏k."
                  "The outputs of one channel stand side by side. 'multiplier' is Keras' depth_multiplier, and C·multiplier PyTorch's out_channels of a Conv2d with groups=C."
                  "kernel=[…] or kernel=gaussian gives the numbers, the same for every channel: it blurs a colour image without mixing its colours. It has its own size, no bias, and is not trained." ] }
      Arguments =
        { Arguments.required "size" (SizeOf 1) "The kernel's sides: one number, or one for each axis." with
            Default = RequiredWithout "kernel" }
        :: Convolution.geometry
        @ multiplier :: FixedKernels.argument :: Arguments.weights
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = planDepthwise }

// ---- separable ----

let private separableWeights (site: LayerSite) (channels: int) (filters: int) (window: Window) =
    let values = site.Arguments

    let fans =
        { In = float channels
          Out = float filters }

    let pointwise =
        int64 filters :: int64 channels :: List.replicate window.Kernel.Length 1L

    Weights.named
        values
        "depthwise"
        (depthwiseShape channels window)
        (depthwiseFans site.Input (values.Whole "multiplier") window)
    :: Weights.named values "pointwise" pointwise fans
    :: Weights.bias values filters fans

/// A convolution over every pixel by itself.
let private mix (window: Window) =
    let ones = List.replicate window.Kernel.Length 1

    let everyPixel =
        { window with
            Kernel = ones
            Stride = ones
            Dilation = ones
            Padding = Valid }

    Convolution.convolve everyPixel 1

let private separate window groups =
    let apart, mix = Convolution.convolve window groups, mix window

    fun (call: LayerCall) ->
        let weights = call.Weights
        let bias: Tensor | null = if weights.Length > 2 then weights[2] else null
        mix (apart call.Input weights[0] null) weights[1] bias

let private planSeparable (site: LayerSite) =
    let input, values = site.Input, site.Arguments
    let window = Convolution.windowOf values (values.Size("size", input.Rank))
    let filters = values.Whole "filters"

    check window input windowNames (fun sides ->
        multiplied site (fun channels ->
            let output = { Channels = filters; Sides = sides }

            let multiplyAdds =
                { output with Channels = 1 }.Elements
                |> Option.map (fun pixels -> pixels * int64 channels * (area window + int64 filters))

            slid
                site
                window
                output
                (separableWeights site channels filters window)
                multiplyAdds
                (separate window input.Channels)))

let private separableArguments =
    [ Arguments.required "filters" (WholeNumber 1) "How many output channels."
      Arguments.required "size" (SizeOf 1) "The sides of the depthwise kernel: one number, or one for each axis." ]
    @ Convolution.geometry
    @ [ multiplier
        Arguments.keyword "bias" YesNo (FlagValue true) "Whether a bias is added, one for each output channel."
        Arguments.initialised "depthwise-init" "glorot" "Where the depthwise kernel's first values come from."
        Arguments.initialised "pointwise-init" "glorot" "Where the pointwise kernel's first values come from."
        Arguments.initialised "bias-init" "zeros" "Where the bias' first values come from."
        Arguments.regularized "depthwise-reg" "The depthwise kernel's regularization loss."
        Arguments.regularized "pointwise-reg" "The pointwise kernel's regularization loss."
        Arguments.regularized "bias-reg" "The bias' regularization loss."
        Arguments.frozen ]

let separable =
    { Name = "separable"
      Help =
        { LayerHelp.create
              "A depthwise convolution without bias, then a convolution of size 1 that mixes the channels."
              "as conv: ⌊(n + a + b − (k − 1)·d − 1) / s⌋ + 1; with pad=same, ⌈n/s⌉"
              "input 28x28x8; separable 16 3x3 pad=same relu; separable 32 3 stride=2 multiplier=2 bias=no" with
            Formula =
                "u[c·multiplier + q, i] = Σₗ depthwise[c·multiplier + q, l]·x[c, i·s + l·d − a]; z[f, i] = Σⱼ pointwise[f, j]·u[j, i] + bias"
            Parameters = "C·multiplier·(∏k + filters) + filters; without bias C·multiplier·(∏k + filters)"
            Cost = "pixels of the output · C·multiplier·(∏k + filters)"
            Source = "Chollet, Xception, CVPR 2017; Keras' SeparableConv"
            Notes =
                [ "Weights: depthwise (C·multiplier, 1, sides…), pointwise (filters, C·multiplier, 1…), bias (filters). Fans as in Keras: of depthwise in C·∏k, out multiplier·∏k; of pointwise in C·multiplier, out filters."
                  "There is no activation between the two steps. Stride, padding and dilation are those of the first." ] }
      Arguments = separableArguments
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = planSeparable }
