/// Convolution: what frameworks call so is cross-correlation, z[i] = Σ w[l]·x[i·s + l·d] + b.
module internal CnnCluster.Dsl.Layers.Convolution

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window
open CnnCluster.Kernels.Layers

/// The arguments of every layer that slides a kernel.
let geometry =
    [ Arguments.keyword "stride" (SizeOf 1) (SizeValue [ 1 ]) "How far the kernel moves."
      Arguments.keyword
          "pad"
          PaddingOf
          (PaddingValue Valid)
          "What is added around the input, all 0: same, valid, a number, one for each axis, or [begin end; begin end]."
      Arguments.keyword "dilation" (SizeOf 1) (SizeValue [ 1 ]) "How far apart the kernel's elements lie." ]

let private arguments =
    [ { Arguments.required "filters" (WholeNumber 1) "How many kernels, and so output channels; 1 with 'kernel'." with
          Default = RequiredWithout "kernel" }
      { Arguments.required "size" (SizeOf 1) "The kernel's sides: one number, or one for each axis." with
          Default = RequiredWithout "kernel" } ]
    @ geometry
    @ Arguments.keyword "groups" (WholeNumber 1) (WholeValue 1) "Groups of channels that see only themselves."
      :: FixedKernels.argument
      :: Arguments.weights

/// From so many filters on, and for images of so many pixels, oneDNN is faster where channels lie side by side, and so are
/// the layers behind it. Below, turning the kernel around costs more (docs/adr/0013).
let private channelsLast (window: Window) groups (x: torch.Tensor) (kernel: torch.Tensor) =
    window.Kernel.Length = 2
    && groups = 1
    && kernel.size 0 >= 16L
    && OwnKernels.Take x
    && (x.size 2 / int64 window.Stride[0]) * (x.size 3 / int64 window.Stride[1]) >= 64L

/// The input with its elements in the order that the convolution is computed in.
let private inOrder window groups (x: torch.Tensor) kernel =
    if channelsLast window groups x kernel then
        ChannelOrder.ChannelsLast x
    else
        x.contiguous ()

/// A window over an input of some sides, as libtorch takes it.
type private Fitted =
    {
        Window: Window
        Stride: int64[]
        Dilations: FewSamples.Dilations
        Padding: int64[]
        /// What is added in front of libtorch; empty where it pads by itself.
        Ends: int64[]
        /// The one element of the kernel that meets the only pixel, an axis each; empty where there is none.
        Meeting: int64 list
    }

/// Of a kernel that meets a single pixel the one element that does: the rest need not be computed with zeros, nor its
/// gradient be of them.
let private fitted (window: Window) (x: torch.Tensor) =
    let meeting = onlyElement window x |> Option.defaultValue []

    let window =
        if meeting.IsEmpty then
            window
        else
            let ones = List.replicate meeting.Length 1

            { window with
                Kernel = ones
                Dilation = ones
                Padding = Valid }

    let symmetric = symmetric window x
    let strides = imageAxes window.Stride

    { Window = window
      Stride = strides
      Dilations = FewSamples.dilations window.Kernel (imageAxes window.Dilation)
      Padding =
        match symmetric with
        | Some [| one |] -> [| 0L; one |]
        | Some sides -> sides
        | None -> Array.zeroCreate strides.Length
      Ends = if symmetric.IsSome then Array.empty else paddingOf window x
      Meeting = meeting }

let private meetingElement (places: int64 list) (kernel: torch.Tensor) =
    let mutable kernel, axis = kernel, 2L

    for place in places do
        kernel <- kernel.narrow (axis, place, 1L)
        axis <- axis + 1L

    kernel

let private correlate (fitted: Fitted) dilation groups (x: torch.Tensor) (kernel: torch.Tensor) bias =
    match fitted.Window.Kernel.Length with
    | 3 -> torch.nn.functional.conv3d (x, kernel, bias, fitted.Stride, fitted.Padding, dilation, int64 groups)
    | 1 ->
        // A row is an image of height 1.
        let image = x.unsqueeze 2L

        let z =
            torch.nn.functional.conv2d (image, kernel, bias, fitted.Stride, fitted.Padding, dilation, int64 groups)

        z.squeeze 2L
    | _ -> torch.nn.functional.conv2d (x, kernel, bias, fitted.Stride, fitted.Padding, dilation, int64 groups)

/// z[i] = Σ w[l]·x[i·s + l·d − a] + bias, in groups of channels; what follows from an input's sides is found once for all
/// inputs of these sides.
let convolve (window: Window) groups =
    let ofSides = OfSides(fitted window)

    fun (x: torch.Tensor) (kernel: torch.Tensor) (bias: torch.Tensor | null) ->
        let fitted = ofSides.For x
        let kernel = meetingElement fitted.Meeting kernel
        let x = inOrder fitted.Window groups x kernel
        let x = pad fitted.Ends 0.0 x
        let kernel = if fitted.Window.Kernel.Length = 1 then kernel.unsqueeze 2L else kernel
        let dilation = FewSamples.dilation x fitted.Dilations

        if FewSamples.isAlone x kernel groups then
            (correlate fitted dilation groups (FewSamples.besideZeros x) kernel bias).narrow(0L, 0L, 1L)
        else
            correlate fitted dilation groups x kernel bias

let private forward window groups =
    let convolve = convolve window groups

    fun (call: LayerCall) -> convolve call.Input call.Weights[0] (Weights.biasOf call.Weights)

/// The window of a convolution, whose kernel is of this size.
let windowOf (values: ArgumentValues) size =
    { Kernel = size
      Stride = values.Size("stride", size.Length)
      Dilation = values.Size("dilation", size.Length)
      Padding = values.Padding "pad"
      Ceil = false }

let private weightsOf (values: ArgumentValues) fixedKernel filters depth (window: Window) =
    let shape = int64 filters :: int64 depth :: List.map int64 window.Kernel
    let area = window.Kernel |> List.fold (fun product k -> product * float k) 1.0

    match fixedKernel with
    | Some rows -> [ FixedKernels.weight shape rows ]
    | None ->
        let fans =
            { In = float depth * area
              Out = float filters * area }

        Weights.kernel values shape fans :: Weights.bias values filters fans

/// N·(D·k² + 1) weights over D input channels; for each output element, D·k² multiply-adds.
let private plan (site: LayerSite) =
    let input, values = site.Input, site.Arguments

    FixedKernels.size values input
    |> Result.bind (fun (fixedKernel, size) ->
        let window = windowOf values size

        let filters, groups =
            (if values.Has "filters" then values.Whole "filters" else 1), values.Whole "groups"

        if input.Channels % groups <> 0 then
            LayerFault.at "groups" $"the input's channels, {input.Channels}, cannot be dealt out to {groups} groups"
        elif filters % groups <> 0 then
            LayerFault.at "groups" $"{filters} filters cannot be dealt out to {groups} groups"
        else
            check window input [ "size"; "stride"; "dilation" ] (fun sides ->
                let depth = input.Channels / groups
                let output = { Channels = filters; Sides = sides }

                { LayerPlan.stateless
                      output
                      (site.Field |> ReceptiveField.slide window.Extent window.Stride)
                      (forward window groups) with
                    Arithmetic = Arithmetic.Products
                    Lanes =
                        if groups = 1 then
                            imageGeometry window input |> Option.map LaneForm.Convolution
                        else
                            None
                    Weights = weightsOf values fixedKernel filters depth window
                    MultiplyAdds = output.Elements |> Option.map (fun count -> count * int64 depth * area window) }
                |> LayerPlan.rectifiedInPlace
                |> Ok))

let definition =
    { Name = "conv"
      Help =
        { LayerHelp.create
              "Convolution over one, two or three sides, as many as the input has."
              "⌊(n + a + b − (k − 1)·d − 1) / s⌋ + 1; with pad=same, ⌈n/s⌉. A kernel that fits nowhere is an error"
              "input 28x28x1; conv 6 5x5 pad=same relu; conv 16 3 stride=2; conv 8 3 dilation=2 groups=4" with
            Formula = "z[i] = Σₗ w[l]·x[i·s + l·d − a] + bias: the kernel is not mirrored"
            Parameters = "filters·(C/groups·∏k + 1); without bias filters·C/groups·∏k"
            Cost = "elements of the output · C/groups · ∏k"
            Source = "LeCun et al., Proceedings of the IEEE 1998"
            Notes =
                [ "Weights: kernel (filters, C/groups, sides…), bias (filters). Fans: in C/groups·∏k, out filters·∏k."
                  "kernel=[…] or kernel=gaussian gives the numbers: each output channel is the sum over its input channels, all under this kernel. It has its own size, no bias, and is not trained." ] }
      Arguments = arguments
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan }
