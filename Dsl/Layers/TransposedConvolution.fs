/// Transposed convolution: what the gradient of a convolution does to its input, as a layer.
module internal CnnCluster.Dsl.Layers.TransposedConvolution

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers.Window

/// One axis: k the extent of the dilated kernel. Without padding, element i of the input reaches the elements
/// i·s … i·s + k − 1 of the output; of these the first `Before` are left out, and `Length` are kept.
type private Axis =
    { Stride: int64
      Dilation: int64
      Before: int64
      Length: int64 }

/// Keras' lengths, and TensorFlow's places: with same, those of a SAME convolution from n·s to n.
let private place extent stride dilation (padding: (int64 * int64) option) same outputPad side =
    let full = (side - 1L) * stride + extent

    let before, length =
        match padding with
        | Some(before, after) -> before, full - before - after + outputPad
        | None when same -> max 0L (extent - stride) / 2L, side * stride
        | None -> 0L, max full (side * stride)

    { Stride = stride
      Dilation = dilation
      Before = before
      Length = length }

type private Geometry = { Window: Window; OutputPad: int list }

let private axes geometry (sides: int64 list) =
    let window = geometry.Window

    let paddings =
        match window.Padding with
        | Same
        | Valid -> List.replicate sides.Length None
        | padding -> [ for before, after in Sides.edges sides.Length padding -> Some(int64 before, int64 after) ]

    [ for i in 0 .. sides.Length - 1 ->
          place
              (int64 window.Extent[i])
              (int64 window.Stride[i])
              (int64 window.Dilation[i])
              paddings[i]
              (window.Padding = Same)
              (int64 geometry.OutputPad[i])
              sides[i] ]

/// libtorch leaves out as much on both ends, and adds less than a stride or dilation behind: what it is asked for covers
/// what is kept, which is then cut out.
let private covering extent (axis: Axis) side =
    let full = (side - 1L) * axis.Stride + extent
    let missing = axis.Before + axis.Length - full
    let both = min axis.Before (max axis.Stride axis.Dilation - 1L - missing)
    both, max 0L (missing + both)

/// What is cut out of an axis of what libtorch gives.
[<Struct>]
type private Cut =
    { Axis: int
      Start: int64
      Length: int64 }

let private cut (cuts: Cut[]) (y: torch.Tensor) =
    let mutable y = y

    for cut in cuts do
        if y.size cut.Axis <> cut.Length then
            y <- y.narrow (int64 cut.Axis, cut.Start, cut.Length)

    y

/// A layer over inputs of some sides, as libtorch takes it.
type private Fitted =
    { Stride: int64[]
      Dilations: FewSamples.Dilations
      Padding: int64[]
      Behind: int64[]
      Cuts: Cut[] }

let private fitted geometry (x: torch.Tensor) =
    let window = geometry.Window
    let sides = x.shape |> Array.skip 2 |> List.ofArray
    let axes = axes geometry sides

    let covered =
        List.map3 (fun extent -> covering (int64 extent)) window.Extent axes sides

    let onAxes (values: int64 list) =
        Array.ofList (if values.Length = 1 then 0L :: values else values)

    { Stride = imageAxes window.Stride
      Dilations = FewSamples.dilations window.Kernel (imageAxes window.Dilation)
      Padding = onAxes (List.map fst covered)
      Behind = onAxes (List.map snd covered)
      Cuts =
        [| for i, (axis, (both, _)) in List.indexed (List.zip axes covered) ->
               { Axis = i + 2
                 Start = axis.Before - both
                 Length = axis.Length } |] }

/// What libtorch gives, before it is cut.
let private spreadWhole rank groups fitted (x: torch.Tensor) (kernel: torch.Tensor) (bias: torch.Tensor | null) =
    let dilation = FewSamples.dilation x fitted.Dilations
    let stride, padding, behind = fitted.Stride, fitted.Padding, fitted.Behind

    if rank = 3 then
        torch.nn.functional.conv_transpose3d (x, kernel, bias, stride, padding, behind, dilation, int64 groups)
    else
        onImage rank x (fun image ->
            torch.nn.functional.conv_transpose2d (image, kernel, bias, stride, padding, behind, dilation, int64 groups))

let private spread geometry groups =
    let ofSides = OfSides(fitted geometry)
    let rank = geometry.Window.Kernel.Length

    fun (x: torch.Tensor) (kernel: torch.Tensor) (bias: torch.Tensor | null) ->
        // One order for all: the kernels that libtorch has for the other one are not checked for few samples.
        let x = x.contiguous ()
        let fitted = ofSides.For x
        let kernel = if rank = 1 then kernel.unsqueeze 2L else kernel

        let whole =
            if FewSamples.isAlone x kernel groups then
                (spreadWhole rank groups fitted (FewSamples.besideZeros x) kernel bias).narrow(0L, 0L, 1L)
            else
                spreadWhole rank groups fitted x kernel bias

        cut fitted.Cuts whole

// ---- plan ----

let private geometryOf (site: LayerSite) =
    let values, rank = site.Arguments, site.Input.Rank

    { Window = Convolution.windowOf values (values.Size("size", rank))
      OutputPad = values.Size("output-pad", rank) }

let private misfits (input: Shape) geometry =
    [ "size", geometry.Window.Kernel.Length
      "stride", geometry.Window.Stride.Length
      "dilation", geometry.Window.Dilation.Length
      "output-pad", geometry.OutputPad.Length
      "pad", Sides.axesOf input.Rank geometry.Window.Padding ]

/// An output's padding says which of several inputs' convolutions is meant: it goes with padding in numbers, and is
/// less than a step.
let private wrongOutputPad geometry =
    let window = geometry.Window
    let steps = List.map2 max window.Stride window.Dilation

    match window.Padding, List.tryFindIndex id (List.map2 (>=) geometry.OutputPad steps) with
    | (Same | Valid), _ when geometry.OutputPad |> List.exists (fun p -> p > 0) ->
        Some
            { Argument = Some "output-pad"
              Message = "'output-pad' goes with a padding in numbers: with same and valid the output's side is fixed"
              Expected = Some "a number for 'pad', as in pad=1; pad=0 stands for valid" }
    | _, Some i ->
        Some
            { Argument = Some "output-pad"
              Message = $"an 'output-pad' of {geometry.OutputPad[i]} is too much"
              Expected = Some $"less than the greater of stride and dilation, {steps[i]}" }
    | _ -> None

let private lengths geometry (sides: int option list) =
    sides
    |> List.mapi (fun i side ->
        side
        |> Option.map (fun length ->
            let alone = List.replicate sides.Length (int64 length)
            (List.item i (axes geometry alone)).Length))

let private outputSides (site: LayerSite) geometry next =
    let lengths = lengths geometry site.Input.Sides

    match lengths |> List.tryFindIndex (Option.exists (fun length -> length < 1L)) with
    | Some i ->
        LayerFault.at
            "pad"
            $"the padding leaves nothing of a side of {site.Input.Sides[i].Value} ({Shape.text site.Input})"
    | None -> Sides.bounded lengths next

let private wrongGroups (site: LayerSite) =
    let channels, filters, groups =
        site.Input.Channels, site.Arguments.Whole "filters", site.Arguments.Whole "groups"

    if channels % groups <> 0 then
        Some $"the input's channels, {channels}, cannot be dealt out to {groups} groups"
    elif filters % groups <> 0 then
        Some $"{filters} filters cannot be dealt out to {groups} groups"
    else
        None

let private planned (site: LayerSite) geometry sides =
    let input, values = site.Input, site.Arguments
    let window = geometry.Window
    let filters, groups = values.Whole "filters", values.Whole "groups"

    let shape =
        int64 input.Channels :: int64 (filters / groups) :: List.map int64 window.Kernel

    let fans =
        { In = float (filters / groups) * float (area window)
          Out = float input.Channels * float (area window) }

    let seen =
        List.map2 (fun extent stride -> (extent + stride - 1) / stride) window.Extent window.Stride

    let spread = spread geometry groups

    let forward (call: LayerCall) =
        spread call.Input call.Weights[0] (Weights.biasOf call.Weights)

    let output = { Channels = filters; Sides = sides }

    { LayerPlan.stateless output (site.Field |> ReceptiveField.enlarge seen window.Stride) forward with
        Arithmetic = Arithmetic.Products
        Weights = Weights.kernel values shape fans :: Weights.bias values filters fans
        MultiplyAdds =
            input.Elements
            |> Option.map (fun count -> count * int64 (filters / groups) * area window) }

let private plan (site: LayerSite) =
    let geometry = geometryOf site

    Sides.fitting site.Input (misfits site.Input geometry) (fun () ->
        match wrongGroups site, wrongOutputPad geometry with
        | Some message, _ -> LayerFault.at "groups" message
        | _, Some fault -> Result.Error fault
        | None, None -> outputSides site geometry (planned site geometry >> Ok))

let private arguments =
    [ Arguments.required "filters" (WholeNumber 1) "How many output channels."
      Arguments.required "size" (SizeOf 1) "The kernel's sides: one number, or one for each axis."
      Arguments.keyword "stride" (SizeOf 1) (SizeValue [ 1 ]) "How far apart the input's elements lie in the output."
      Arguments.keyword
          "pad"
          PaddingOf
          (PaddingValue Valid)
          "What is left out around the output: same, valid, a number, one for each axis, or [begin end; begin end]."
      Arguments.keyword
          "output-pad"
          (SizeOf 0)
          (SizeValue [ 0 ])
          "What is added to the output's end, with a padding in numbers; less than the greater of stride and dilation."
      Arguments.keyword "dilation" (SizeOf 1) (SizeValue [ 1 ]) "How far apart the kernel's elements lie."
      Arguments.keyword "groups" (WholeNumber 1) (WholeValue 1) "Groups of channels that see only themselves." ]
    @ Arguments.weights

let definition =
    { Name = "convtranspose"
      Help =
        { LayerHelp.create
              "Transposed convolution: each element of the input adds the kernel, times itself, to the output."
              "with pad=same, n·s; with pad=valid, n·s + max((k − 1)·d + 1 − s, 0); with a padding in numbers, (n − 1)·s − a − b + (k − 1)·d + output-pad + 1"
              "input 7x7x16; convtranspose 8 2x2 stride=2 relu; convtranspose 4 3 stride=2 pad=same; convtranspose 1 3 stride=2 pad=1 output-pad=1" with
            Formula = "z[j] = Σ w[l]·x[i] over all i and l with i·s + l·d − a = j, + bias"
            Parameters = "filters·(C/groups·∏k + 1); without bias filters·C/groups·∏k"
            Cost = "elements of the input · filters/groups · ∏k"
            Source = "Zeiler et al., Deconvolutional Networks, CVPR 2010"
            Notes =
                [ "Weights: kernel (C, filters/groups, sides…), bias (filters): in and out change places against conv, as in PyTorch. Fans as in Keras: in filters/groups·∏k, out C·∏k."
                  "same and valid have Keras' sizes. With same the output lies as TensorFlow places it: max((k − 1)·d + 1 − s, 0) elements are left out, half of them in front, and the odd one behind."
                  "Padding in numbers and output-pad are PyTorch's." ] }
      Arguments = arguments
      Operands = One
      Ranks = [ 1; 2; 3 ]
      Plan = plan }
